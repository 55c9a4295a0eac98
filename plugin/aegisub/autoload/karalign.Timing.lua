-- karalign in Aegisub: lines and syllables timed by the sound. Each macro is one undo step; options are in Settings.

script_name = "karalign"
script_description = "Times lines and syllables to the sound"
script_author = "The karalign developers"
script_version = "0.1.0"
script_namespace = "karalign.Timing"

local host = require "karalign.host"
local job = require "karalign.job"

local MENU = "karalign/"
local MADE = {"fx", "template", "code", "mixin", "karaoke"} -- effects of karaoke templates and of what they make
local OURS = "karalign: " -- begins what Check timing writes

-- Names, labels and choices of the settings; the first choice is what holds until the user says otherwise.
local WHERE = {"in the whole sound", "around their present times"}
local CUT = {"syllables", "words"}
local TAGS = {"\\kf", "\\k", "\\ko"}
local FIELDS = {"Effect", "Actor"}
local DEFAULTS = {
    where = WHERE[1], margin = 10, lead_in = 0, lead_out = 0, cut = CUT[1], tag = TAGS[1], keep_times = true,
    trust = 0.5, field = FIELDS[1], threshold = 0.5, program = "",
}

local function settings()
    local out, kept = {}, host.settings()
    for name, default in pairs(DEFAULTS) do
        local value = kept[name]
        if value == nil then
            value = default
        elseif type(default) == "number" then
            value = tonumber(value) or default
        elseif type(default) == "boolean" then
            value = value == "true"
        end
        out[name] = value
    end
    return out
end

local function program(options)
    if options.program ~= "" then return options.program end
    return host.installed().program or "karalign"
end

-- What karalign is told of the settings.
local function told(options)
    return {
        where = options.where == WHERE[2] and "near" or "all", margin = options.margin * 1000,
        lead_in = options.lead_in, lead_out = options.lead_out, tag = options.tag:sub(2),
        level = options.cut == CUT[2] and "word" or "syllable", keep_times = options.keep_times and 1 or 0,
        trust = options.trust, threshold = options.threshold,
    }
end

-- Whether a line is dialogue that somebody says: no comment, and nothing that karaoke templates made.
local function said(line)
    if line.class ~= "dialogue" or line.comment then return false end
    local effect = line.effect:lower()
    for _, made in ipairs(MADE) do
        if effect:sub(1, #made) == made then return false end
    end
    return line.text:gsub("%b{}", ""):match("%S") ~= nil
end

local function chosen(subs, indices)
    local lines = {}
    for _, i in ipairs(indices) do
        local line = subs[i]
        if said(line) then
            lines[#lines + 1] = {key = i, start_time = line.start_time, end_time = line.end_time, text = line.text}
        end
    end
    return lines
end

local function all(subs)
    local indices = {}
    for i = 1, #subs do indices[i] = i end
    return indices
end

local function any_said(subs, sel)
    for _, i in ipairs(sel) do
        if said(subs[i]) then return true end
    end
    return false
end

local function any_at_all(subs)
    return any_said(subs, all(subs))
end

-- Has karalign do a task on lines and gives its result. Where that fails the user is told, and nothing is changed.
local function ask(task, lines)
    local sound = host.sound()
    if not sound then aegisub.cancel() end
    local options = settings()
    local result, message = job.run(program(options), task, sound, told(options), lines)
    if not result then
        if message then host.say(message) end
        aegisub.cancel()
    end
    return result
end

-- Puts new times and texts into the script; gives how many lines are other now.
local function apply(subs, lines)
    local count = 0
    for _, new in ipairs(lines) do
        local line = subs[new.key]
        if line.start_time ~= new.start_time or line.end_time ~= new.end_time or line.text ~= new.text then
            line.start_time, line.end_time, line.text = new.start_time, new.end_time, new.text
            subs[new.key] = line
            count = count + 1
        end
    end
    return count
end

local function told_of_missing(result)
    local count = #result.missing
    if count > 0 then
        local lines = count == 1 and "1 line was" or count .. " lines were"
        host.say(lines .. " not found in the sound and left as before; Check timing marks what is doubtful.")
    end
end

-- A macro that gives the selected lines, or all, new times or texts.
local function timing(task, undo, whole)
    return function(subs, sel)
        local result = ask(task, chosen(subs, whole and all(subs) or sel))
        if apply(subs, result.lines) > 0 then aegisub.set_undo_point(undo) end
        told_of_missing(result)
        return sel
    end
end

-- A field without what was written there before by a check, and whether something else is in it.
local function without_mark(text)
    if text:sub(1, #OURS) == OURS then return "", false end
    local bare = text:gsub(" %[" .. OURS .. "[^%]]*%]$", "")
    return bare, bare ~= ""
end

-- An actor is named for many reasons, so a mark comes after it; an effect would be another one then, so it is left.
local function marked(line, field, what)
    local bare, other = without_mark(line[field])
    if what == "" then return bare end
    if not other then return OURS .. what end
    if field == "effect" then return line[field] end
    return bare .. " [" .. OURS .. what .. "]"
end

local function check(subs, sel)
    local lines = chosen(subs, #sel > 1 and sel or all(subs))
    local result = ask("check", lines)
    local field, changed, doubtful = settings().field:lower(), false, 0
    for _, mark in ipairs(result.marks) do
        local line = subs[mark.key]
        local text = marked(line, field, mark.what)
        if mark.what ~= "" then doubtful = doubtful + 1 end
        if text ~= line[field] then
            line[field] = text
            subs[mark.key] = line
            changed = true
        end
    end
    if changed then aegisub.set_undo_point("check timing") end
    host.say(string.format("%d of %d lines are doubtful%s.", doubtful, #lines,
        doubtful > 0 and ": see their " .. settings().field or ""))
    return sel
end

-- A text without karaoke tags; a block that held nothing else goes.
local function without_karaoke(text)
    return (text:gsub("{[^}]*}", function(block)
        local rest = block:gsub("\\[kK][fot]?%d*%.?%d*", "")
        if rest == block then return nil end
        return rest:match("^{%s*}$") and "" or rest
    end))
end

local function remove(subs, sel)
    local lines = {}
    for _, line in ipairs(chosen(subs, sel)) do
        line.text = without_karaoke(line.text)
        lines[#lines + 1] = line
    end
    if apply(subs, lines) > 0 then aegisub.set_undo_point("remove karaoke") end
    return sel
end

local function can_guide(subs, sel)
    return host.installed().guide == "yes" and any_said(subs, sel)
end

local function guide(subs, sel)
    local options = told(settings())
    local folder = aegisub.decode_path("?script")
    options.output = aegisub.dialog.save("The guide vocal", folder == "?script" and "" or folder, "guide.wav", "WAV|*.wav")
    if not options.output then aegisub.cancel() end
    local result, message = job.run(program(settings()), "guide", "", options, chosen(subs, sel))
    if message or result then host.say(message or result.message) end
    aegisub.cancel() -- the script is as it was
end

local function label(x, y, text)
    return {class = "label", x = x, y = y, width = 1, height = 1, label = text}
end

local function field(class, y, name, value, more)
    local control = {class = class, x = 1, y = y, width = 1, height = 1, name = name, value = value}
    for key, fact in pairs(more or {}) do control[key] = fact end
    return control
end

local function configure()
    local now = settings()
    local function choice(y, name, items) return field("dropdown", y, name, now[name], {items = items}) end
    local function whole(y, name, most) return field("intedit", y, name, now[name], {min = 0, max = most}) end
    local function share(y, name) return field("floatedit", y, name, now[name], {min = 0, max = 1, step = 0.1}) end
    local button, new = aegisub.dialog.display({
        label(0, 0, "Look for the selected lines"), choice(0, "where", WHERE),
        label(0, 1, "... so many seconds around"), whole(1, "margin", 3600),
        label(0, 2, "A line begins so many ms before its words"), whole(2, "lead_in", 5000),
        label(0, 3, "... and ends so many ms after them"), whole(3, "lead_out", 5000),
        label(0, 4, "Karaoke by"), choice(4, "cut", CUT),
        label(0, 5, "... with the tag"), choice(5, "tag", TAGS),
        field("checkbox", 6, "keep_times", now.keep_times, {label = "Karaoke keeps the times of the lines"}),
        label(0, 7, "Re-timing trusts the old times (0 to 1)"), share(7, "trust"),
        label(0, 8, "A line is doubtful below the confidence"), share(8, "threshold"),
        label(0, 9, "Check timing writes into the field"), choice(9, "field", FIELDS),
        label(0, 10, "The program karalign, if it is not found"), field("edit", 10, "program", now.program, {text = now.program}),
    }, {"Save", "Cancel"}, {ok = "Save", cancel = "Cancel"})
    if button == "Save" and not host.keep_settings(new) then host.say("The settings cannot be written.") end
    aegisub.cancel() -- the script is as it was
end

local macros = {
    {"Time selected lines", "Line times from the sound", timing("lines", "time lines"), any_said},
    {"Karaoke: syllables", "A karaoke tag for each syllable", timing("syllables", "karaoke"), any_said},
    {"Re-time whole file", "Times that are off made right", timing("retime", "re-time file", true), any_at_all},
    {"Guide vocal from selected lines", "The lines spoken in their times, as a sound", guide, can_guide},
    {"Check timing", "Mark lines whose times are doubtful, of the selected ones or of all", check, any_at_all},
    {"Remove karaoke", "Take karaoke tags off", remove, any_said},
    {"Settings", "How karalign's macros work", configure},
}
for _, macro in ipairs(macros) do
    aegisub.register_macro(MENU .. macro[1], macro[2], macro[3], macro[4])
end
