# Every target sets up what it needs in .venv; nothing but Python >= 3.11 (with its venv module) and make is asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SONG := examples/amazing-grace.mp3
NOTES := examples/amazing-grace.ultrastar.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-peers bench-library figures clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   align the song in examples/ into demo-out/, sing a line and find its words, print what comes out"
	@echo "make test   run the tests"
	@echo "make lint   run ruff and mypy"
	@echo "make bench  measure accuracy and speed (needs ../shared/data)"
	@echo "make bench-peers  measure others on the same sound, texts and files (needs ../shared/data)"
	@echo "make bench-library  time 2,000 songs, and again with the run killed ten times (needs ../shared/data)"
	@echo "make figures  draw the pictures of docs/ctc.md and docs/activation.md anew"
	@echo "make clean  remove .venv and everything else that was made here"

demo: $(VENV)/.installed
	@mkdir -p demo-out
	@$(BIN)/karalign align $(SONG) examples/amazing-grace.txt $(foreach kind,lrc ass srt json,-o demo-out/amazing-grace.$(kind))
	@echo && cat demo-out/amazing-grace.lrc && echo
	@echo "Against the times that the song was made from:"
	@$(BIN)/karalign score examples/amazing-grace.truth.json demo-out/amazing-grace.json
	@echo && echo "The whole way round: a line is sung from its notes, and its words are found in what was sung:"
	@$(BIN)/karalign guide $(NOTES) --sing --lines 1-1 -o demo-out/sung-line.wav --save-times demo-out/sung-line.truth.json
	@sed -n 2p examples/amazing-grace.txt > demo-out/sung-line.txt
	@$(BIN)/karalign align demo-out/sung-line.wav demo-out/sung-line.txt $(foreach kind,lrc ass srt json,-o demo-out/sung-line.$(kind))
	@echo && cat demo-out/sung-line.lrc && echo
	@echo "Against the times at which it was sung:"
	@$(BIN)/karalign score demo-out/sung-line.truth.json demo-out/sung-line.json

test: $(VENV)/.test
	$(BIN)/python -m pytest -q

lint: $(VENV)/.lint $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy tests

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.damage
	$(BIN)/python -m benchmarks.retime
	$(BIN)/python -m benchmarks.confidence measure
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.embed
	$(BIN)/python -m benchmarks.profile

bench-peers: $(VENV)/.bench
	$(BIN)/python -m benchmarks.versus

bench-library: $(VENV)/.bench
	$(BIN)/python -m benchmarks.library --items 2000 --kills 10

figures: $(VENV)/.test
	@mkdir -p demo-out
	$(BIN)/python examples/ctc_from_scratch.py -o docs/pictures/ctc.png
	$(BIN)/karalign align $(SONG) examples/amazing-grace.txt -o demo-out/amazing-grace.json
	$(BIN)/karalign activations $(SONG) demo-out/amazing-grace.json --line 4 --posteriors -o docs/pictures/activation.png

clean:
	rm -rf $(VENV) demo-out bench-out benchmarks/.cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamps: installed again only when pyproject.toml has changed.
$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit("karalign needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "on Debian: apt-get install python3-venv"; exit 1; }
	@$(PIP) --upgrade "pip>=25.1"  # the first that knows dependency groups
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.pip
	@echo "installing karalign and what it needs into $(VENV): some minutes the first time (PyTorch is large)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(VENV)/.installed
	@echo "installing what \`make $*\` needs besides"
	@$(PIP) --group $*
	@touch $@
