# make run: from a fresh clone to a packaged model and the seed article's labelled sentences.
# make test: set up and pass the tests. Both set .venv/ up once; needs Python 3.11 and a package index.

PYTHON ?= python3.11
BIN := .venv/bin
NAME = default
RUN := runs/$(NAME)
ARTICLE := seeds/articles/turkije-libie.txt
# uv reads neither pip's list of local wheels nor its index by itself.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export HF_HUB_OFFLINE ?= 1

.PHONY: run test test-all lint types ci clean

run: $(RUN)/bundle/manifest.json $(RUN)/report/manifest.json
	$(BIN)/strijdtaal predict $(RUN)/bundle $(ARTICLE)
	@echo
	@echo "Bundle: $(RUN)/bundle   Report: $(RUN)/report/report.html"

test: .venv/ready
	$(BIN)/python -m pytest -n 2

test-all: .venv/ready
	$(BIN)/python -m pytest -n 2 -m ""

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

ci: lint types test-all

.venv/ready: requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==0.13.9
	index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}"; \
	$(BIN)/uv pip install $${index:+--default-index "$$index"} --python $(BIN)/python -r requirements-dev.txt
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

$(RUN)/manifest.json: | .venv/ready
	$(BIN)/python -m training finetune configs/default.yaml name=$(NAME)

$(RUN)/predictions/manifest.json: $(RUN)/manifest.json
	$(BIN)/python -m eval score $(RUN)

$(RUN)/report/manifest.json: $(RUN)/predictions/manifest.json
	$(BIN)/python -m eval report $(RUN)

$(RUN)/bundle/manifest.json: $(RUN)/report/manifest.json
	$(BIN)/python -m eval package $(RUN)

clean:
	rm -rf $(RUN)
