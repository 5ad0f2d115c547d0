# One word for each thing a person does here. `make repro` and `make test` create the environment themselves.
#   make repro [PARAMS=params/smoke.yaml]   build the corpus, train, score, print Table 1, then the selective system
#   make table1                             that, as far as Table 1: made for half an hour on two AVX512 cores
#   make test                               every test: notebooks and tests/
#   make test-scale                         several processes, a Ray cluster, runs that are killed (with the extra `scale`)
#   make test-cuda                          the tests that need an NVIDIA GPU; what is left out counts as failed
#   make gpu                                everything again on a GPU, its times and scores beside the CPU's (results/gpu.md)
#   make ablate                             what each of the paper's choices is worth (an hour)
#   make additive                           what each of our departures from the paper's recipe is worth (an hour)
#   make selective_dev                      the selective system on development scenes, where its settings are chosen
#   make mining                             what the mining is worth in longer runs (hours; a GPU helps)
#   make full                               the long run with three seeds, and its table (many hours; stopped, it goes on)
#   make real                               learn from the recordings of params/real.yaml, three seeds (an hour and more)
#   make debian                             learn from recordings out of Debian's packages (1 GB), three seeds, and score (hours)
#   make base                               the models that come with the package: trained, packed, measured (many hours; stopped, it goes on)
#   make trials                             four candidates for every learned row of the long run, on development pairs
#   make paper                              the paper's full-width path, 20 steps, with stand-ins for AudioSet and the weights
#   make app                                pick, mix and hear the sounds of a recording in a browser
#   make fuzz [SEED=0 N=2000 | SEED=0 CASE=123]   hostile inputs drawn at random (a quarter of an hour), or one of them again
#   make docs                               the documentation as a site, in _docs/
#   make bench [PART=...]                   what things cost, as ratios (results/bench.json); parts: python tests/bench.py -h
#   make lab
SHELL  := /bin/bash
PYTHON ?= python3.11
VENV   ?= .venv
EXTRAS ?= dev,train,metrics,app,speech
PARAMS ?= params.yaml
SEED   ?= 0
N      ?= 2000
BIN    := $(VENV)/bin
# Python makes bytecode of the modules that are used, unless it is told not to; of all 14,000 files it took 80 of the 190 s of an installation
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile) -c constraints.txt -e
# the pip that Python 3.11 brings takes 130 s for what this one installs in 87
NEWER_PIP = $(BIN)/python -m pip install --disable-pip-version-check -q -U 'pip>=25.1'
SINCE  := $(shell date +%s)
# the stamp carries the hash of what is installed: a second call costs nothing, a changed requirement installs again
WANTED := $(shell cat settings.ini constraints.txt | git hash-object --stdin | cut -c1-12)
STAMP  := $(VENV)/installed-$(WANTED)
AUDIOSET := $(VENV)/audioset-$(WANTED)
BROWSER := $(VENV)/browser-$(WANTED)
DOCS := $(VENV)/docs-$(WANTED)
SCALE := $(VENV)/scale-$(WANTED)

.DEFAULT_GOAL := help
.PHONY: help env audioset browser app repro table1 gpu ablate additive selective_dev mining full real debian base base-synthetic base-recorded base-selective trials paper test test-scale test-cuda lab sphinx docs bench fuzz export clean

help:
	@sed -n 's/^#   //p' Makefile

env: $(STAMP)

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "no '$(PYTHON)' here: install Python 3.11 or newer, or name yours: make PYTHON=python3"; exit 1; }
	@echo "creating the environment in $(VENV) (once, a few minutes)"
	test -x $(BIN)/python || { $(PYTHON) -m venv $(VENV) && $(NEWER_PIP); }
	$(INSTALL) '.[$(EXTRAS)]'
	@rm -f $(VENV)/installed-*
	@touch $@

repro: $(STAMP)
	@$(BIN)/weakse repro --params $(PARAMS) --since $(SINCE)

table1: $(STAMP)
	@$(BIN)/weakse repro table1 --params $(PARAMS) --since $(SINCE)

# everything once more on a GPU, in a clone of its own: the results of the CPU stay, the comparison comes here
gpu: $(STAMP)
	rm -rf runs/on_gpu && git clone -q . runs/on_gpu
	cd runs/on_gpu && WEAKSE_DEVICE=cuda $(abspath $(BIN))/weakse repro
	@WEAKSE_DEVICE=cuda $(BIN)/weakse report --gpu runs/on_gpu/results

ablate: $(STAMP)
	@$(BIN)/weakse repro metrics@ablation --params $(PARAMS)

additive: $(STAMP)
	@$(BIN)/weakse repro metrics@additive --params $(PARAMS)

selective_dev: $(STAMP)
	@$(BIN)/weakse repro selective_dev --params $(PARAMS)

# the mining alone, 5,000 updates: the block `ablate` of params/full.yaml
mining: $(STAMP)
	@$(BIN)/weakse repro metrics@ablation --params params/full.yaml
	@mkdir -p results/full && cp runs/full/results/ablation.json runs/full/results/ablation.md results/full/

# three runs that differ in their seed, then one table of them; on real pairs too, where they are at hand
FULL := runs/full runs/full_1 runs/full_2
REAL := ../shared/real/pairs
ON_REAL := --overwrite --pairs $(REAL) --names sources/real_pairs/report.txt --looks results/real_looks.csv \
  --title "15 real pairs of VoiceBank-DEMAND, speaker p257"
full: $(STAMP)
	@$(BIN)/weakse repro --params params/full.yaml --seeds 0,1,2
	@$(BIN)/weakse combine $(FULL) -o results/full/table1.json --overwrite
	@test ! -d $(REAL) || $(BIN)/weakse combine $(FULL) -o results/full/real.json $(ON_REAL)

# the same on the recordings that params/real.yaml names; what it reports on are real pairs
REALS := runs/real runs/real_1 runs/real_2
real: $(STAMP)
	@$(BIN)/weakse repro table1 --params params/real.yaml --seeds 0,1,2
	@$(BIN)/weakse combine $(REALS) -o results/real/table1.json --overwrite --looks results/real_looks.csv

# the same on recordings that anyone can get; on mixtures of what was held out of them too
DEBIAN := runs/debian runs/debian_1 runs/debian_2
debian: $(STAMP)
	@$(BIN)/weakse fetch debian ../data/debian
	@$(BIN)/weakse repro table1 --params params/debian.yaml --seeds 0,1,2
	@$(BIN)/weakse combine $(DEBIAN) -o results/debian/table1.json --overwrite
	@$(BIN)/weakse combine $(DEBIAN) -o results/debian/held_out.json --overwrite --pairs runs/debian/artifacts/corpus/own_pairs \
	  --title "mixtures of recordings that were held out"
	@test ! -d $(REAL) || $(BIN)/weakse combine $(DEBIAN) -o results/debian/real.json $(ON_REAL)

# the models that come with the package; what is measured is what was packed, and then stands in its card
BASE := runs/base/artifacts
RECORDED := runs/base_real/artifacts
define pack_enhancer
	@$(BIN)/weakse pack $(2) $(1) --card params/cards/$(1).yaml
	@$(BIN)/weakse enhance $(BASE)/pairs --pairs --system $(1) --out $(BASE)/by_$(1)
	@$(BIN)/weakse score --clean $(BASE)/pairs/clean --enhanced $(BASE)/by_$(1) --json $(BASE)/by_$(1).json --overwrite
	@$(BIN)/weakse pack $(2) $(1) --card params/cards/$(1).yaml --scores $(BASE)/by_$(1).json
endef
base: base-synthetic base-recorded base-selective
	@$(BIN)/weakse models

base-synthetic: $(STAMP)
	@$(BIN)/weakse repro train@unet --params params/base.yaml
	$(call pack_enhancer,base-synthetic,$(BASE)/models/unet)

# goes on from it, on recordings too: fetch them first, see params/base_real.yaml
base-recorded: $(STAMP)
	@$(BIN)/weakse repro mine --params params/base_real.yaml
	@$(BIN)/weakse train $(RECORDED)/anchors $(RECORDED)/mine $(RECORDED)/models/unet --from base-synthetic --params params/base_real.yaml --overwrite
	$(call pack_enhancer,base,$(RECORDED)/models/unet)

# goes on from the quick run's system, with its unseen classes and its scenes, on the anchors of four times as many clips. Recognition is not
# measured: the quick run's held-out clips are among them
base-selective: $(STAMP)
	@$(BIN)/weakse repro train_selective@selective
	@$(BIN)/weakse repro detect --params params/base.yaml
	@$(BIN)/weakse train_selective $(BASE)/anchors artifacts/sound_types.csv $(BASE)/models/selective --hashes results/scenes.json \
	  --from artifacts/models/selective --params params/base.yaml --overwrite
	@$(BIN)/weakse pack $(BASE)/models/selective base-selective --card params/cards/base-selective.yaml
	@$(BIN)/weakse selective artifacts/scenes artifacts/sound_types.csv base-selective $(BASE)/selective results/base/selective.json --overwrite

trials: $(STAMP)
	@$(BIN)/weakse trials --overwrite

# PANNs' networks and the downloader of AudioSet, which most people do not need
$(AUDIOSET): $(STAMP)
	$(INSTALL) '.[audioset]'
	@rm -f $(VENV)/audioset-*
	@touch $@

audioset: $(AUDIOSET)

# what clicks widgets in tests (with Debian's chromium)
$(BROWSER): $(STAMP)
	$(INSTALL) '.[browser]'
	@rm -f $(VENV)/browser-*
	@touch $@

browser: $(BROWSER)

app: $(STAMP)
	@$(BIN)/weakse app

paper: $(AUDIOSET)
	@$(BIN)/python tests/paper_check.py

test: $(STAMP)
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/python -m pytest tests -q -n 2 --dist worksteal -p no:cacheprovider -m "not scale"

# several processes and machines, and what is killed at any moment: a test that is left out counts as failed
$(SCALE): $(STAMP)
	$(INSTALL) '.[scale]'
	@rm -f $(VENV)/scale-*
	@touch $@

test-scale: $(SCALE)
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MPLBACKEND=agg WEAKSE_NO_SKIP=1 $(BIN)/python -m pytest tests -q -n 2 --dist loadscope -p no:cacheprovider -m scale

# where there is an NVIDIA GPU: it agrees with the CPU, and all that this machine has train together
test-cuda: $(STAMP)
	@WEAKSE_NO_SKIP=1 MPLBACKEND=agg $(BIN)/python -m pytest tests -q -p no:cacheprovider -m cuda

# the notebooks of this clone are trusted: their players and widgets show
lab: $(STAMP)
	@$(BIN)/jupyter trust $$(git ls-files 'nbs/*.ipynb') >/dev/null
	@$(BIN)/jupyter lab --notebook-dir nbs

# what makes pages of the notebooks (docs/build.py); nothing is executed for it
$(DOCS): $(STAMP)
	$(INSTALL) '.[docs]'
	@rm -f $(VENV)/docs-*
	@touch $@

sphinx: $(DOCS)

docs: $(DOCS)
	@$(BIN)/python docs/build.py

bench: $(STAMP)
	@$(BIN)/python tests/bench.py $(PART)

fuzz: $(STAMP)
	@MPLBACKEND=agg $(BIN)/python tests/fuzz.py --seed $(SEED) --n $(N) $(if $(CASE),--case $(CASE))

export: $(STAMP)
	@$(BIN)/python docs/pages.py && $(BIN)/nbdev_clean && $(BIN)/nbdev_export

clean:
	rm -rf _docs build dist *.egg-info
