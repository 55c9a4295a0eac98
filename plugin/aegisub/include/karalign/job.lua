-- Talking to karalign: a job file out, a result file in. plugin/aegisub/job.py has the other end and describes both.

local host = require "karalign.host"

local job = {}

local POLL = 50 -- ms
local ENDINGS = {"", ".result", ".progress", ".log", ".exit", ".bat"}
local MEANT = {["\\\\"] = "\\", ["\\t"] = "\t", ["\\n"] = "\n", ["\\r"] = "\r"}
local WRITTEN = {["\\"] = "\\\\", ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r"}

function job.escape(text)
    return (text:gsub("[\\\t\n\r]", WRITTEN))
end

function job.unescape(text)
    return (text:gsub("\\[\\tnr]", MEANT))
end

local function row(...)
    local cells = {...}
    for i, cell in ipairs(cells) do
        if type(cell) == "number" then cell = string.format("%d", math.floor(cell + 0.5)) end
        cells[i] = job.escape(cell)
    end
    return table.concat(cells, "\t") .. "\n"
end

-- The text of a job file. `lines` have key, start_time, end_time and text.
function job.render(task, audio, options, lines)
    local rows, names = {row("karalign-job", 1), row("task", task), row("audio", audio)}, {}
    for name in pairs(options) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do rows[#rows + 1] = row("option", name, tostring(options[name])) end
    for _, line in ipairs(lines) do
        rows[#rows + 1] = row("line", line.key, math.max(0, line.start_time), math.max(0, line.end_time), line.text)
    end
    return table.concat(rows)
end

-- What a result file says: {lines, marks, missing, code, message}; nil: it is none, or not complete.
function job.parse(text)
    if not text or text:match("^[^\n]*") ~= "karalign-result\t1" then return nil end
    local result = {lines = {}, marks = {}, missing = {}}
    for whole in text:gmatch("([^\n]*)\n") do
        local cells = {}
        for cell in (whole .. "\t"):gmatch("([^\t]*)\t") do cells[#cells + 1] = job.unescape(cell) end
        local kind, key = cells[1], tonumber(cells[2])
        if kind == "line" then
            local line = {key = key, start_time = tonumber(cells[3]), end_time = tonumber(cells[4]), text = cells[5]}
            result.lines[#result.lines + 1] = line
        elseif kind == "mark" then
            result.marks[#result.marks + 1] = {key = key, what = cells[3]}
        elseif kind == "missing" then
            result.missing[#result.missing + 1] = key
        elseif kind == "exit" then
            result.code, result.message = key, cells[3]
        end
    end
    return result.code and result or nil
end

-- Share and words of the last whole row of a progress file.
function job.latest(text)
    local percent, what
    for number, words in (text or ""):gmatch("(%d+)\t([^\n]*)\n") do percent, what = tonumber(number), words end
    return percent, what and job.unescape(what)
end

-- What to say of a run that ended without a result.
function job.reason(program, code, log)
    if code == 126 or code == 127 or code == 9009 or (host.windows and (log or ""):match("^%s*$")) then
        return "karalign was not found as " .. program .. ": run `karalign aegisub install` in a terminal,"
            .. " or name it in the settings."
    end
    local last
    for words in (log or ""):gmatch("[^\r\n]+") do last = words end
    return "karalign stopped with code " .. code .. (last and ": " .. last or " and said nothing.")
end

local function clean(path)
    for _, ending in ipairs(ENDINGS) do os.remove(path .. ending) end
end

-- Waits for a result while telling of progress; nil and a message, or nil alone after a cancel.
local function wait(program, path)
    while true do
        local result = job.parse(host.read(path .. ".result"))
        local code = (host.read(path .. ".exit") or ""):match("^%s*(%d+)%s*\n")
        if result then
            if result.code == 0 then return result end
            return nil, result.message
        elseif code then
            return nil, job.reason(program, tonumber(code), host.read(path .. ".log"))
        end
        if aegisub.progress.is_cancelled() then return nil end
        local percent, what = job.latest(host.read(path .. ".progress"))
        if percent then
            aegisub.progress.set(percent)
            aegisub.progress.task(what)
        end
        host.sleep(POLL)
    end
end

-- Has karalign do a job. Gives its result; or nil and a message; or nil alone: the user cancelled.
function job.run(program, task, audio, options, lines)
    local path = host.temporary()
    local done, why = host.write(path, job.render(task, audio, options, lines))
    if not done then return nil, "The job for karalign cannot be written: " .. tostring(why) .. "." end
    aegisub.progress.title("karalign")
    aegisub.progress.task("Starting karalign")
    host.start(program, path)
    local result, message = wait(program, path)
    if result or message then
        clean(path)
    else
        host.write(path .. ".cancel", "") -- who works on it sees this, ends, and cleans up
    end
    return result, message
end

return job
