"""The subcommands of `karalign`, one a module, each under the name `command`."""
