-- What differs between versions of Aegisub and between systems, and what is kept between runs.
-- Nothing else in karalign's scripts asks which version or system it runs on.

local host = {}

host.windows = package.config:sub(1, 1) == "\\"

local SEPARATOR = host.windows and "\\" or "/"

-- The name of a file or folder in one of Aegisub's own folders, "?user" or "?temp".
local function inside(folder, ...)
    local path = aegisub.decode_path(folder)
    for _, name in ipairs({...}) do
        if not path:match("[/\\]$") then path = path .. SEPARATOR end
        path = path .. name
    end
    return path
end

function host.read(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local data = file:read("*a")
    file:close()
    return data
end

function host.write(path, data)
    local file, why = io.open(path, "wb")
    if not file then return nil, why end
    file:write(data)
    file:close()
    return true
end

function host.exists(path)
    local file = io.open(path, "rb")
    if file then file:close() end
    return file ~= nil
end

-- A name for a new file; those with an ending after it are free as well.
function host.temporary()
    if not host.windows then return os.tmpname() end -- made at once, so nobody else has it
    -- on Windows, os.tmpname names a file in the root of the disk
    local name = string.format("karalign-%d-%d", os.time(), math.random(1, 999999))
    return inside("?temp", name)
end

-- Waiting: LuaJIT can ask the system; without it, a program must wait for us.
local function sleeper()
    local there, ffi = pcall(require, "ffi")
    if there and host.windows then
        if pcall(ffi.cdef, "void Sleep(unsigned long milliseconds);") then
            return function(ms) ffi.C.Sleep(ms) end
        end
    elseif there then
        if pcall(ffi.cdef, "int poll(void *files, unsigned long count, int milliseconds);") then
            return function(ms) ffi.C.poll(nil, 0, ms) end
        end
    end
    if host.windows then return function() os.execute("ping -n 2 127.0.0.1 >nul") end end
    return function(ms) os.execute(string.format("sleep %.2f", ms / 1000)) end
end

local sleep
function host.sleep(ms)
    sleep = sleep or sleeper()
    sleep(ms)
end

-- One word for sh.
function host.quote_sh(word)
    return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- One word for a line of a batch file: within quotes only the percent sign has a meaning.
function host.quote_bat(word)
    return '"' .. word:gsub('"', ""):gsub("%%", "%%%%") .. '"'
end

-- What sh is told so that a program works on a job in the background. JOB.exit gets its exit code, JOB.log what it says;
-- after a cancel, or when the result was fetched and the job is gone, nobody looks any more and everything goes.
function host.sh_command(program, job)
    local q = host.quote_sh
    return "{ " .. q(program) .. " aegisub-job " .. q(job) .. " >" .. q(job .. ".log") .. " 2>&1; code=$?; "
        .. "if [ -e " .. q(job .. ".cancel") .. " ] || [ ! -e " .. q(job) .. " ]; then rm -f " .. q(job) .. " " .. q(job) .. ".*; "
        .. "else echo $code >" .. q(job .. ".exit") .. "; fi; } </dev/null >/dev/null 2>&1 &"
end

-- The same for Windows, as a batch file: a command line has too many rules there.
function host.batch_file(program, job)
    local q = host.quote_bat
    return table.concat({
        "@echo off",
        "chcp 65001 >nul", -- names in this file are UTF-8
        q(program) .. " aegisub-job " .. q(job) .. " >" .. q(job .. ".log") .. " 2>&1",
        "set code=%errorlevel%",
        "if exist " .. q(job .. ".cancel") .. " goto over",
        "if not exist " .. q(job) .. " goto over",
        ">" .. q(job .. ".exit") .. " echo %code%",
        "exit /b",
        ":over",
        "del " .. q(job) .. " " .. q(job .. ".*"),
        "",
    }, "\r\n")
end

function host.start(program, job)
    if not host.windows then
        os.execute(host.sh_command(program, job))
        return
    end
    host.write(job .. ".bat", host.batch_file(program, job))
    -- the inner cmd takes the outer pair of quotes away
    os.execute('start "" /b cmd /c "' .. host.quote_bat(job .. ".bat"):gsub("%%%%", "%%") .. '"')
end

-- One message in one dialog. Long ones are broken, as a label is not.
function host.say(message)
    local rows, row = {}, ""
    for word in message:gmatch("%S+") do
        if #row + #word > 80 and row ~= "" then
            rows[#rows + 1], row = row, ""
        end
        row = row == "" and word or row .. " " .. word
    end
    rows[#rows + 1] = row
    local label = {class = "label", x = 0, y = 0, width = 1, height = 1, label = table.concat(rows, "\n")}
    aegisub.dialog.display({label}, {"OK"}, {ok = "OK", cancel = "OK"})
end

local function is_file(path)
    return type(path) == "string" and path ~= "" and not path:match("^%?") and not path:match("^dummy%-audio:")
end

-- The sound that belongs to the script: its audio, else its video, else what the user names; nil: none was named.
function host.sound()
    local there, project = pcall(function() return aegisub.project_properties() end)
    if there and type(project) == "table" then
        if is_file(project.audio_file) then return project.audio_file end
        if is_file(project.video_file) then return project.video_file end
    end
    local folder = aegisub.decode_path("?script")
    if folder == "?script" then folder = "" end
    local kinds = "Sound and video|*.wav;*.flac;*.mp3;*.ogg;*.opus;*.m4a;*.aac;*.mka;*.mkv;*.mp4;*.webm;*.avi|All files|*"
    return aegisub.dialog.open("The sound for these lines", "", folder, kinds, false, true)
end

-- Rows of a name and a value between tabs: what `karalign aegisub install` and the user have settled.
local function pairs_of(path)
    local out = {}
    for name, value in (host.read(path) or ""):gmatch("([^\t\r\n]+)\t([^\r\n]*)") do out[name] = value end
    return out
end

function host.installed()
    return pairs_of(inside("?user", "karalign-installed.tsv"))
end

function host.settings()
    return pairs_of(inside("?user", "karalign-settings.tsv"))
end

function host.keep_settings(settings)
    local names, rows = {}, {}
    for name in pairs(settings) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        rows[#rows + 1] = name .. "\t" .. tostring(settings[name]):gsub("[\t\r\n]", " ") .. "\n"
    end
    return host.write(inside("?user", "karalign-settings.tsv"), table.concat(rows))
end

return host
