# The two commands a newcomer needs: `make reproduce` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# dvc calls `ranksuite` by name; no tool reports its use to anyone.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
PORT ?= 5000

.PHONY: reproduce recipe test env pull mlflow benchmark benchmark-gpu benchmark-loading benchmark-metrics benchmark-training bars clean

reproduce: pull
	dvc repro
	ranksuite mlflow sync
	@echo
	@echo "HTML report   reports/report.html"
	@echo "PDF report    reports/report.pdf"
	@echo "MLflow store  artifacts/mlflow/mlflow.db  (make mlflow shows it)"

# A recipe of the papers, from data to report: make recipe NAME=suprank_sop. `ranksuite recipe` lists them.
recipe: pull
	@ranksuite recipe $(NAME)
	$(if $(NAME),dvc repro)
	$(if $(NAME),ranksuite mlflow sync)

pull: env
	@dvc pull --quiet data.dvc || { echo "data.dvc: an embedded object is missing or damaged; restore it with: git checkout -- .dvc/remote" >&2; exit 1; }

test: env
	pytest -n 2 --dist loadfile -m "not slow"

env: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 13) else f"Python 3.11 or 3.12 is needed, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

mlflow: env
	ranksuite mlflow sync
	ranksuite mlflow ui --port $(PORT)

benchmark: env
	pytest tests/benchmarks --confcutdir=tests/benchmarks -o addopts=-q --benchmark-only --benchmark-group-by=param:batch_size --benchmark-columns=min,median,rounds

# One CUDA device; OPTIONS such as --minutes 9 are those of the module.
benchmark-gpu: env
	python -m suite.benchmarking.gpu --out artifacts/benchmark_gpu $(OPTIONS)

benchmark-loading: env
	pytest tests/benchmarks_data -o addopts=-q --benchmark-only --benchmark-columns=min,median,rounds

benchmark-metrics: env
	pytest tests/benchmarks_metrics -o addopts=-q --benchmark-only --benchmark-columns=min --growth-figure docs/images/metrics_growth.png

benchmark-training: env
	pytest tests/benchmarks_training -o addopts=-q --benchmark-only --benchmark-columns=min,median,rounds

# Long checks, run by hand: pytest collects a bar only where it is named.
bars: env
	pytest -s tests/bars/gldv2_scale.py
	pytest -s tests/bars/killed_grid.py
	pytest -s tests/bars/report_of_1000_runs.py
	pytest -s tests/bars/numbers_found_again.py

clean:
	rm -rf .venv *.egg-info artifacts data .dvc/cache .dvc/tmp reports/report.html reports/report.pdf reports/figures reports/tables
