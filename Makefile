# `make reproduce` and `make test` each do their whole set-up on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup reproduce test lint docs benchmark long_runs zoo clean

setup: $(STAMP)

$(STAMP): setup.cfg constraints.txt pyproject.toml
	@echo "Setting up $(VENV): about two minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

reproduce: setup
	$(BIN)/python scripts/reproduce.py --dataset=digits --num_seeds=2 --amplify_to=0.2 --output_dir=results/digits

test: lint
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, its links and its reference checked, then every command that its pages tell to run.
docs: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m sphinx --builder html --fail-on-warning --nitpicky --fresh-env docs docs/_build
	RUN_DOCS_AS_WRITTEN=1 $(BIN)/python -m pytest tests/docs
	@echo "site: docs/_build/index.html"

benchmark: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.minimum_distortion --output_dir=results/benchmark $(BENCHMARK_FLAGS)
	$(BIN)/python -m benchmarks.adversarial_sets --undefok=model,imagenet_weights --output_dir=results/benchmark $(BENCHMARK_FLAGS)
	$(BIN)/python -m benchmarks.scaling --undefok=model --output_dir=results/benchmark $(BENCHMARK_FLAGS)

# What long runs survive and cost, on MNIST: some 25 minutes on 2 cores on which nothing else runs.
long_runs: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[beam]'
	$(BIN)/python -m benchmarks.kills --kills=50 --train_kills=10 --write_kills=200 --dataset=mnist --num_examples=10000 --output_dir=results/kills
	$(BIN)/python -m benchmarks.long_runs --output_dir=results/long_runs
	$(BIN)/python -m benchmarks.engines --output_dir=results/long_runs

zoo: setup
	$(BIN)/python scripts/index_models.py --saved_models=saved_models

clean:
	rm -rf $(VENV) results docs/_build docs/reference build dist *.egg-info
