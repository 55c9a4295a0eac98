-- Stands before a script of macros and writes down what its dialogs say: SCRIPT and HEARD are put in by the test.

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

dofile("SCRIPT")
