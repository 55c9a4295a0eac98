-- Promises of the macros: lua spec.lua SCRIPTS FOLDER VERSION TEST. FOLDER is empty and has the fake karalign.

local scripts, folder, version, wanted = arg[1], arg[2], arg[3], arg[4]
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local stub = require "stub"
local SEPARATORS = package.config
local tests = {}

local function write(name, text)
    local file = assert(io.open(name, "wb"))
    file:write(text)
    file:close()
end

local function read(name)
    local file = io.open(name, "rb")
    if not file then return nil end
    local text = file:read("*a")
    file:close()
    return text
end

local function same(a, b, what)
    if a ~= b then error((what or "") .. " expected <" .. tostring(b) .. ">, got <" .. tostring(a) .. ">", 2) end
end

-- A program in the place of karalign, in a folder with any name; it keeps the job that it got.
local function fake(body, name)
    local place = folder .. "/" .. (name or "karalign")
    write(place, "#!/bin/sh\ncp \"$2\" '" .. folder .. "/seen'\n" .. body .. "\n")
    os.execute("chmod +x '" .. place:gsub("'", "'\\''") .. "'")
    return place
end

local function answering(result)
    write(folder .. "/answer", result)
    return "cp '" .. folder .. "/answer' \"$2.part\" && mv \"$2.part\" \"$2.result\""
end

local function start(program, more)
    write(folder .. "/karalign-installed.tsv", "program\t" .. program .. "\nguide\tno\n" .. (more or ""))
    stub.audio = folder .. "/song.wav"
    stub.load(scripts, folder, version)
end

local function song()
    return stub.subtitles({
        {class = "info", key = "Title", value = "x"},
        {class = "style", name = "Default"},
        stub.dialogue("{\\i1}Amazing {comment}grace"),
        stub.dialogue("never timed", {comment = true}),
        stub.dialogue("{\\k20}ma{\\k30}de", {effect = "fx"}),
        stub.dialogue("How sweet", {start_time = 6000, end_time = 7000, actor = "Anna"}),
        stub.dialogue("!loop!", {effect = "Template syl"}),
    })
end

local ALL = {3, 4, 5, 6, 7}

function tests.lines_get_their_times_and_nothing_else_changes()
    local text = "line\t3\t1230\t2340\t{\\\\i1}Amazing {comment}grace\n"
    start(fake(answering("karalign-result\t1\n" .. text .. "exit\t0\t\n")))
    local subs, kept = song()
    assert(stub.run("Time selected lines", subs, ALL))
    same(kept[3].start_time, 1230)
    same(kept[3].end_time, 2340)
    same(kept[3].text, "{\\i1}Amazing {comment}grace")
    same(kept[3].extra.note, "kept")
    same(kept[6].start_time, 6000)
    same(#stub.undo, 1)
    same(#stub.messages, 0)
end

function tests.only_dialogue_that_is_said_is_handed_over()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n")))
    stub.run("Time selected lines", song(), ALL)
    local job = read(folder .. "/seen")
    same(job:match("^[^\n]*"), "karalign-job\t1")
    assert(job:find("task\tlines\n", 1, true))
    assert(job:find("audio\t" .. folder .. "/song.wav\n", 1, true))
    assert(job:find("line\t3\t0\t5000\t{\\\\i1}Amazing {comment}grace\n", 1, true), job)
    assert(job:find("line\t6\t6000\t7000\tHow sweet\n", 1, true))
    for _, key in ipairs({1, 2, 4, 5, 7}) do assert(not job:find("\nline\t" .. key .. "\t"), job) end
end

function tests.a_result_without_changes_makes_no_undo_point()
    start(fake(answering("karalign-result\t1\nline\t6\t6000\t7000\tHow sweet\nexit\t0\t\n")))
    stub.run("Time selected lines", song(), ALL)
    same(#stub.undo, 0)
end

function tests.lines_that_are_missing_are_told_of_in_one_dialog()
    start(fake(answering("karalign-result\t1\nmissing\t3\nmissing\t6\nexit\t0\t\n")))
    stub.run("Time selected lines", song(), ALL)
    same(#stub.messages, 1)
    assert(stub.messages[1]:find("2 lines were not found", 1, true))
end

function tests.a_failing_run_shows_its_sentence_and_changes_nothing()
    start(fake(answering("karalign-result\t1\nline\t3\t10\t20\tno\nexit\t1\tsong.wav: there is no such file.\n") .. "; exit 1"))
    local subs, kept = song()
    assert(not stub.run("Time selected lines", subs, ALL))
    same(#stub.messages, 1)
    same(stub.messages[1], "song.wav: there is no such file.")
    same(kept[3].start_time, 0)
end

function tests.a_run_that_dies_shows_its_last_words()
    start(fake("echo first; echo 'last words' >&2; exit 3"))
    stub.run("Time selected lines", song(), ALL)
    same(#stub.messages, 1)
    same(stub.messages[1], "karalign stopped with code 3: last words")
end

function tests.a_missing_karalign_is_told_with_what_would_work()
    start(folder .. "/not there")
    stub.run("Time selected lines", song(), ALL)
    same(#stub.messages, 1)
    local said = stub.messages[1]:gsub("%s+", " ")
    assert(said:find("karalign was not found as " .. folder .. "/not there", 1, true), said)
    assert(said:find("karalign aegisub install", 1, true))
end

function tests.a_cancel_ends_the_run_and_leaves_no_file()
    start(fake("while [ ! -e \"$2.cancel\" ]; do sleep 0.05; done; echo \"$2\" >'" .. folder .. "/over'"))
    stub.cancel_after = 4
    local subs, kept = song()
    assert(not stub.run("Time selected lines", subs, ALL))
    same(#stub.messages, 0)
    same(kept[3].start_time, 0)
    local over
    for _ = 1, 100 do
        over = read(folder .. "/over")
        if over then break end
        os.execute("sleep 0.05")
    end
    assert(over, "it still runs")
    os.execute("sleep 0.3")
    local job = over:match("[^\n]+")
    for _, ending in ipairs({"", ".cancel", ".log", ".exit", ".result"}) do same(read(job .. ending), nil, ending) end
end

function tests.a_run_leaves_no_file_behind()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n") .. "; echo \"$2\" >'" .. folder .. "/over'"))
    stub.run("Time selected lines", song(), ALL)
    os.execute("sleep 0.3")
    local job = read(folder .. "/over"):match("[^\n]+")
    for _, ending in ipairs({"", ".log", ".exit", ".result"}) do same(read(job .. ending), nil, ending) end
end

function tests.progress_is_shown()
    local body = "printf '10\\tHearing\\n' >\"$2.progress\"; sleep 0.4; printf '70\\tFinding\\n8' >>\"$2.progress\"; sleep 0.4; "
    start(fake(body .. answering("karalign-result\t1\nexit\t0\t\n")))
    stub.run("Time selected lines", song(), ALL)
    local shown = table.concat(stub.progress, " ")
    assert(shown:find("^Starting karalign .*Hearing .*Finding"), shown)
end

function tests.names_with_any_character_reach_the_program()
    local hostile = {"a b", "it's", 'quo"te', "amp&ersand", "$(touch boom)", "`touch boom`", "%PATH%", "über käse", "semi;colon", "back\\slash", "-dash", "new*star?"}
    for _, name in ipairs(hostile) do
        os.remove(folder .. "/seen")
        local program = fake(answering("karalign-result\t1\nexit\t0\t\n"), name)
        if not aegisub then start(program) end
        write(folder .. "/karalign-installed.tsv", "program\t" .. program .. "\n")
        stub.audio = folder .. "/" .. name .. "\t\\t.wav"
        stub.run("Time selected lines", song(), ALL)
        same(#stub.messages, 0, stub.messages[1])
        local job = require "karalign.job"
        same(job.unescape(read(folder .. "/seen"):match("\naudio\t([^\n]*)")), stub.audio)
    end
    same(read("boom"), nil)
end

function tests.a_batch_file_quotes_for_cmd()
    package.config = "\\\n;\n?\n!\n-\n"
    start("C:\\Program Files\\100%\\Jörg & Söhne\\karalign.exe")
    local host = require "karalign.host"
    same(host.quote_bat("a b"), '"a b"')
    same(host.quote_bat("100% & more"), '"100%% & more"')
    same(host.quote_bat("no \" quotes"), '"no  quotes"')
    local batch = host.batch_file("C:\\Jörg & Söhne\\100%\\karalign.exe", "C:\\Temp\\job")
    local rows = {}
    for row in batch:gmatch("([^\r\n]*)\r\n") do rows[#rows + 1] = row end
    same(rows[3], '"C:\\Jörg & Söhne\\100%%\\karalign.exe" aegisub-job "C:\\Temp\\job" >"C:\\Temp\\job.log" 2>&1')
    same(rows[7], '>"C:\\Temp\\job.exit" echo %code%')
    local commands = {}
    os.execute = function(command) commands[#commands + 1] = command return 0 end
    host.write = function(path, text) commands[path] = text return true end
    host.start("k.exe", "C:\\Temp 100%\\job")
    same(commands[1], 'start "" /b cmd /c ""C:\\Temp 100%\\job.bat""')
    assert(commands["C:\\Temp 100%\\job.bat"]:find("k.exe", 1, true))
    assert(host.temporary():match("karalign%-%d+%-%d+$"))
    package.config = SEPARATORS
end

function tests.fields_survive_the_exchange()
    start("karalign")
    local job = require "karalign.job"
    for _, text in ipairs({"", "\\", "\\t", "a\tb", "a\nb\r", "{\\k20}\\N\\n\\h", "\\\\n", "über\\"}) do
        same(job.unescape(job.escape(text)), text)
        assert(not job.escape(text):find("[\t\n\r]"))
    end
end

function tests.half_a_result_is_none()
    start("karalign")
    local job = require "karalign.job"
    local whole = "karalign-result\t1\nline\t3\t10\t20\tx\nexit\t0\t\n"
    assert(job.parse(whole))
    for cut = 0, #whole - 1 do same(job.parse(whole:sub(1, cut)), nil, "cut at " .. cut) end
    same(job.parse((whole:gsub("\t1\n", "\t2\n", 1))), nil)
end

function tests.karaoke_goes_and_other_tags_stay()
    start("karalign")
    local texts = {
        ["{\\k20}A{\\kf30}maz{\\ko5}ing{\\K7} {\\kt100\\k20}grace"] = "Amazing grace",
        ["{\\i1\\k20}A{\\k30\\b1}b{a comment \\k}c{no tag k20}"] = "{\\i1}A{\\b1}b{a comment }c{no tag k20}",
        ["{\\k12.5}x{\\k}y {open \\k20"] = "xy {open \\k20",
        ["{\\kf20\\-glow}x"] = "{\\-glow}x",
    }
    for text, bare in pairs(texts) do
        local subs, kept = stub.subtitles({stub.dialogue(text), stub.dialogue(text, {comment = true, effect = "karaoke"})})
        assert(stub.run("Remove karaoke", subs, {1, 2}))
        same(kept[1].text, bare)
        same(kept[2].text, text)
        same(#stub.undo, 1)
    end
end

local MARKS = "karalign-result\t1\nmark\t3\tnot heard\nmark\t6\tdoubtful (12%)\nexit\t0\t\n"
local RIGHT = "karalign-result\t1\nmark\t3\t\nmark\t6\t\nexit\t0\t\n"

function tests.a_check_marks_doubtful_lines_and_takes_marks_back()
    start(fake(answering(MARKS)))
    local subs, kept = song()
    assert(stub.run("Check timing", subs, {3}))
    same(kept[3].effect, "karalign: not heard")
    same(kept[6].effect, "karalign: doubtful (12%)")
    same(kept[3].start_time, 0)
    same(#stub.undo, 1)
    same(stub.messages[1], "2 of 2 lines are doubtful: see their Effect.")
    write(folder .. "/answer", RIGHT)
    stub.run("Check timing", subs, {3})
    same(kept[3].effect .. kept[6].effect, "")
    same(stub.messages[1], "0 of 2 lines are doubtful.")
end

function tests.a_check_by_actor_keeps_the_actor()
    start(fake(answering(MARKS)))
    write(folder .. "/karalign-settings.tsv", "field\tActor\n")
    local subs, kept = song()
    stub.run("Check timing", subs, {3})
    same(kept[3].actor, "karalign: not heard")
    same(kept[6].actor, "Anna [karalign: doubtful (12%)]")
    stub.run("Check timing", subs, {3})
    same(kept[6].actor, "Anna [karalign: doubtful (12%)]")
    write(folder .. "/answer", RIGHT)
    stub.run("Check timing", subs, {3})
    same(kept[3].actor .. kept[6].actor, "Anna")
end

function tests.an_effect_of_somebody_else_is_left()
    start(fake(answering(MARKS)))
    local subs, kept = stub.subtitles({{class = "info"}, {class = "info"}, stub.dialogue("a", {effect = "Banner;5"})})
    write(folder .. "/answer", "karalign-result\t1\nmark\t3\tnot heard\nexit\t0\t\n")
    stub.run("Check timing", subs, {3})
    same(kept[3].effect, "Banner;5")
end

function tests.the_sound_is_asked_for_when_there_is_none()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n")))
    stub.audio, stub.video, stub.chosen = "", "?dummy:23.976:40000:640:480", "/chosen.flac"
    stub.run("Time selected lines", song(), ALL)
    assert(stub.asked)
    assert(read(folder .. "/seen"):find("\naudio\t/chosen.flac\n", 1, true))
    os.remove(folder .. "/seen")
    stub.chosen = nil
    assert(not stub.run("Time selected lines", song(), ALL))
    same(#stub.messages, 0)
    same(read(folder .. "/seen"), nil)
end

function tests.a_video_is_sound_too()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n")))
    stub.audio, stub.video = "", "/film.mkv"
    stub.run("Time selected lines", song(), ALL)
    assert(read(folder .. "/seen"):find("\naudio\t/film.mkv\n", 1, true))
end

function tests.settings_are_kept_and_told()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n")))
    stub.answers = {{"Save", {where = "around their present times", margin = 3, lead_in = 120, tag = "\\k", keep_times = false, trust = 0.25}}}
    assert(not stub.run("Settings", song(), ALL))
    stub.run("Karaoke: syllables", song(), ALL)
    local job = read(folder .. "/seen")
    for _, option in ipairs({"where\tnear", "margin\t3000", "lead_in\t120", "tag\tk", "keep_times\t0", "trust\t0.25", "level\tsyllable"}) do
        assert(job:find("\noption\t" .. option .. "\n", 1, true), option .. " is not in " .. job)
    end
    stub.answers = {{"Cancel", {margin = 9}}}
    stub.run("Settings", song(), ALL)
    assert(read(folder .. "/karalign-settings.tsv"):find("margin\t3\n", 1, true))
end

function tests.macros_are_offered_where_they_make_sense()
    start("karalign")
    local subs = song()
    for _, name in ipairs({"Time selected lines", "Karaoke: syllables", "Remove karaoke"}) do
        same(stub.allowed(name, subs, {3}), true, name)
        same(stub.allowed(name, subs, {4, 5, 7}), false, name)
        same(stub.allowed(name, subs, {}), false, name)
    end
    for _, name in ipairs({"Re-time whole file", "Check timing"}) do
        same(stub.allowed(name, subs, {4}), true, name)
        same(stub.allowed(name, stub.subtitles({{class = "info"}}), {}), false, name)
    end
    same(stub.allowed("Settings", subs, {}), true)
    same(stub.allowed("Guide vocal from selected lines", subs, {3}), false)
    write(folder .. "/karalign-installed.tsv", "guide\tyes\n")
    same(stub.allowed("Guide vocal from selected lines", subs, {3}), true)
end

function tests.a_guide_vocal_changes_no_line()
    start(fake(answering("karalign-result\t1\nexit\t0\t/out.wav is written.\n")), "guide\tyes\n")
    stub.chosen = "/out.wav"
    assert(not stub.run("Guide vocal from selected lines", song(), ALL))
    same(stub.messages[1], "/out.wav is written.")
    local job = read(folder .. "/seen")
    assert(job:find("task\tguide\n", 1, true) and job:find("option\toutput\t/out.wav\n", 1, true))
end

function tests.the_whole_file_is_retimed_whatever_is_selected()
    start(fake(answering("karalign-result\t1\nexit\t0\t\n")))
    stub.run("Re-time whole file", song(), {6})
    local job = read(folder .. "/seen")
    assert(job:find("\nline\t3\t", 1, true) and job:find("\nline\t6\t", 1, true) and job:find("task\tretime\n", 1, true))
end

function tests.long_messages_are_broken()
    start("karalign")
    local host = require "karalign.host"
    aegisub.dialog = {display = function(controls) stub.long = controls[1].label end}
    host.say(("word "):rep(100))
    for row in stub.long:gmatch("[^\n]+") do assert(#row <= 80) end
    same(select(2, stub.long:gsub("word", "")), 100)
end

assert(tests[wanted], "no such test")()
print("good")
