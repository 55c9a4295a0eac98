-- As much of Aegisub as the macros see, behaving as 3.2.2 was seen to, or as 3.4 is said to where `version` is "3.4".

local stub = {messages = {}, undo = {}, progress = {}, macros = {}, answers = {}}

local CANCEL = {} -- what aegisub.cancel throws
local PLACES = {}

local function copy(line)
    local out = {}
    for name, value in pairs(line) do out[name] = value end
    return out
end

-- The lines of a script: what is read is a copy, and only what is put back is changed.
function stub.subtitles(lines)
    local kept = {}
    for i, line in ipairs(lines) do kept[i] = copy(line) end
    local meta = {
        __index = function(_, key)
            if key == "n" then return #kept end
            assert(math.type == nil or math.type(key) == "integer", "an index is a whole number")
            assert(kept[key], "no such line")
            return copy(kept[key])
        end,
        __newindex = function(_, key, line)
            assert(kept[key], "no such line")
            assert(type(line.start_time) == "number" and type(line.text) == "string", "damaged line")
            stub.changed = true
            kept[key] = copy(line)
        end,
        __len = function() return #kept end,
    }
    if not newproxy then return setmetatable({}, meta), kept end
    local proxy = newproxy(true) -- no table, as in Aegisub: Lua 5.1 asks only such for their length
    for name, method in pairs(meta) do getmetatable(proxy)[name] = method end
    return proxy, kept
end

function stub.dialogue(text, more)
    local line = {
        class = "dialogue", section = "[Events]", comment = false, layer = 0, start_time = 0, end_time = 5000,
        style = "Default", actor = "", margin_l = 0, margin_r = 0, margin_t = 0, effect = "", text = text,
        extra = {note = "kept"},
    }
    for name, value in pairs(more or {}) do line[name] = value end
    return line
end

-- What exists only while a macro runs.
local function running(table_)
    table_.dialog = {
        display = function(controls, buttons, ids)
            local label = {}
            for _, control in ipairs(controls) do
                if control.class == "label" then label[#label + 1] = control.label end
            end
            stub.messages[#stub.messages + 1] = table.concat(label, "\n")
            stub.shown = {controls = controls, buttons = buttons, ids = ids}
            local answer = table.remove(stub.answers, 1)
            if not answer then return ids.cancel == "OK" and "OK" or false, {} end
            local values = {}
            for _, control in ipairs(controls) do
                if control.name then values[control.name] = control.value end
            end
            for name, value in pairs(answer[2] or {}) do values[name] = value end
            return answer[1], values
        end,
        open = function() stub.asked = true return stub.chosen end,
        save = function() return stub.chosen end,
    }
    table_.progress = {
        title = function() end,
        task = function(what) stub.progress[#stub.progress + 1] = what end,
        set = function(percent) assert(percent >= 0 and percent <= 100) end,
        is_cancelled = function()
            stub.looks = (stub.looks or 0) + 1
            assert(stub.looks < 400, "nobody answers")
            return stub.cancel_after ~= nil and stub.looks > stub.cancel_after
        end,
    }
    table_.set_undo_point = function(what)
        assert(what ~= "")
        stub.undo[#stub.undo + 1] = what
    end
    table_.cancel = function() error(CANCEL, 0) end
end

function stub.load(folder, user, version)
    PLACES["?user"] = user
    PLACES["?temp"] = user
    PLACES["?script"] = "?script" -- the script was never saved
    aegisub = {
        lua_automation_version = 4,
        gettext = function(text) return text end,
        decode_path = function(path) return (path:gsub("^%?%a+", function(name) return PLACES[name] or name end)) end,
        project_properties = function() return {audio_file = stub.audio or "", video_file = stub.video or ""} end,
        register_macro = function(name, description, process, validate)
            assert(type(description) == "string" and type(process) == "function")
            stub.macros[name:gsub("^karalign/", "")] = {process = process, validate = validate}
        end,
    }
    if version == "3.4" then -- built with the habits of Lua 5.2
        local execute = os.execute
        os.execute = function(command)
            local done = execute(command)
            local good = done == true or done == 0
            return good or nil, "exit", good and 0 or 1
        end
        aegisub.get_audio_selection = function() return 0, 0 end
        aegisub.set_status_text = function() end
    end
    package.path = folder .. "/include/?.lua;" .. package.path
    dofile(folder .. "/autoload/karalign.Timing.lua")
end

function stub.allowed(name, subs, sel)
    local validate = stub.macros[name].validate
    return not validate or validate(subs, sel, sel[1]) and true or false
end

-- Runs a macro as Aegisub does: errors are the user's to see, which no macro should let happen.
function stub.run(name, subs, sel)
    stub.changed, stub.undo, stub.messages = false, {}, {}
    running(aegisub)
    local good, why = pcall(stub.macros[name].process, subs, sel, sel[1])
    aegisub.dialog, aegisub.progress, aegisub.set_undo_point, aegisub.cancel = nil, nil, nil, nil
    assert(good or why == CANCEL, why)
    assert(good or not stub.changed, "cancelled after a change")
    return good
end

return stub
