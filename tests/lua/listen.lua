-- Put before a script of macros, this writes down what its dialogs say, in a file that the test names for "HEARD".

local register = aegisub.register_macro

aegisub.register_macro = function(name, description, process, validate)
    register(name, description, function(...)
        local display = aegisub.dialog.display
        aegisub.dialog.display = function(controls, ...)
            local file = io.open("HEARD", "ab")
            file:write((controls[1].label:gsub("%s+", " ")), "\n")
            file:close()
            return display(controls, ...)
        end
        return process(...)
    end, validate)
end
