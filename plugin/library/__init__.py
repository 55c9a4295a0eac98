"""Many songs aligned: what is found, one song done, engines that do many, the journal and the report."""
