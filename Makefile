# Multicorn: foreign data wrappers written in Python.
#
#   make && make install    build the extension and install it; PG_CONFIG= and PYTHON= choose
#   make installcheck       the SQL tests, against a running server that has it installed
#   make demo               see it work, on a throw-away server
#   make test               all tests and checks, on a throw-away server; LINT=0 skips the checks
#   make matrix             the same on every supported pair of PostgreSQL and Python
#   make bench              measure it
#   make lint, make format  check the sources, put them in order
#   make test-regress       the SQL tests alone; TESTS= names some of them
#   make test-python        the Python tests alone; PYTEST_ARGS= is handed on
#   make test-sanitize      both with the extension under AddressSanitizer and UBSan; SANITIZE_ARGS=
#   make test-assert        both on a server with assertions, built from the distribution's source
#   make test-leaks         references and memory over repetitions of every statement; LEAKS_ARGS=
#   make test-faults        a fault in each call of Python and PostgreSQL, in turn; FAULTS_ARGS=
#
# Only "make" and "make install" are needed to package the extension; they ask for nothing but
# PostgreSQL's server headers and a CPython with a shared library.

PG_CONFIG ?= pg_config

# Debian's own Python has a shared library; one that merely comes first on the PATH often has not.
PYTHON ?= $(or $(wildcard /usr/bin/python3),python3)

top := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
version := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(top)/multicorn.control)

# The commands that bring their own server. They install what they need first, so nothing may be
# asked of the machine while this file is read.
own_server := dependencies test test-regress test-python test-sanitize test-assert test-leaks \
	test-faults lint format demo bench matrix

.PHONY: $(own_server)

ifneq ($(filter-out $(own_server),$(or $(MAKECMDGOALS),all)),)

# --- The extension ------------------------------------------------------------------------------

define newline


endef

# Defines PYTHON_EXECUTABLE, PYTHON_CPPFLAGS, PYTHON_LIBS, POSTGRES_CPPFLAGS and BUILD_SUMMARY,
# or BUILD_ERROR, the sentence that stops the build.
$(eval $(subst ;;,$(newline),$(shell \
	$(PYTHON) $(top)/tools/build_config.py --make '$(PG_CONFIG)' 2>/dev/null)))

ifdef BUILD_ERROR
$(error $(BUILD_ERROR))
endif
ifndef BUILD_SUMMARY
$(error PYTHON=$(PYTHON) does not run, or is too old: choose a CPython 3.11 to 3.14 that has a \
	shared library (Debian, Ubuntu: apt-get install python3-dev, and PYTHON=/usr/bin/python3))
endif
$(info multicorn $(version) for $(BUILD_SUMMARY))

MODULE_big = multicorn
EXTENSION = multicorn
DATA = $(patsubst $(top)/%,%,$(wildcard $(top)/sql/multicorn--*.sql))
PGFILEDESC = "multicorn - foreign data wrappers written in Python"
OBJS = $(patsubst $(top)/%.c,%.o,$(sort $(wildcard $(top)/src/*.c $(top)/src/*/*.c)))

REGRESS = $(patsubst $(top)/test/sql/%.sql,%,$(sort $(wildcard $(top)/test/sql/*.sql)))
REGRESS_OPTS = --inputdir=$(top)/test --encoding=UTF8 --no-locale
EXTRA_CLEAN = .build-flags

# The headers of PostgreSQL and Python are system headers: only our own sources are judged. The
# callbacks of both have fixed parameters that few use all of.
PG_CPPFLAGS = -I$(top)/src $(POSTGRES_CPPFLAGS) $(PYTHON_CPPFLAGS) \
	-DMULTICORN_PYTHON='"$(PYTHON_EXECUTABLE)"' -DMULTICORN_VERSION='"$(version)"'
PG_CFLAGS = -fvisibility=hidden -Wall -Wextra -Wno-unused-parameter $(if $(filter-out 0,$(WERROR)),-Werror)
SHLIB_LINK = $(PYTHON_LIBS)

# Bitcode would need the very clang that the server was built with, and gain nothing: no function
# of ours can be inlined into a query.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A row passes through three files; gcc can look across them. LTO=0 switches that off.
ifneq ($(filter-out 0,$(or $(LTO),1)),)
ifneq ($(findstring Free Software Foundation,$(shell $(CC) --version)),)
override CFLAGS += -flto=auto
endif
endif

# In full, or make would find them in the sources when the build is elsewhere.
object_dirs := $(addprefix $(CURDIR)/,$(sort $(dir $(OBJS))))

# Everything is rebuilt when a header, the chosen server, the chosen Python or a flag changes.
$(OBJS): $(wildcard $(top)/src/*.h $(top)/src/*/*.h) .build-flags | $(object_dirs)

.build-flags: export BUILD_FLAGS = $(CC) $(CFLAGS) $(CPPFLAGS) $(SHLIB_LINK) $(BUILD_SUMMARY)
.build-flags: FORCE
	@printf '%s\n' "$$BUILD_FLAGS" | cmp -s - $@ || printf '%s\n' "$$BUILD_FLAGS" > $@

$(object_dirs):
	$(MKDIR_P) $@

.PHONY: FORCE
FORCE:

# What clang-tidy has to know of the build, a flag on each line.
.PHONY: show-cppflags
show-cppflags:
	@printf '%s\n' $(CPPFLAGS)

# --- Its Python package -------------------------------------------------------------------------

# The package lies beside the extension, where the extension looks for it: it can neither be
# missing nor be of another version. Its byte code is trusted whatever the files' times say,
# because the server may not write there to renew it.
python_dir = $(DESTDIR)$(pkglibdir)/multicorn-python
python_files := $(patsubst $(top)/python/%,%,$(shell \
	find $(top)/python/multicorn -name '*.py' -o -name 'py.typed'))
python_dirs := $(sort $(dir $(python_files)))

.PHONY: install-python uninstall-python
install: install-python
uninstall: uninstall-python

install-python: uninstall-python
	$(MKDIR_P) $(foreach dir,$(python_dirs),'$(python_dir)/$(dir)')
	$(foreach dir,$(python_dirs),$(call install_python_dir,$(dir)))
	$(PYTHON) -m compileall -q -f --invalidation-mode unchecked-hash \
		$(if $(DESTDIR),-s '$(DESTDIR)' -p /) '$(python_dir)'

# $(call install_python_dir,dir); the blank line before "endef" separates the commands
define install_python_dir
$(INSTALL_DATA) $(addprefix $(top)/python/,$(foreach file,$(python_files),$(if \
	$(filter $(1),$(dir $(file))),$(file)))) '$(python_dir)/$(1)'

endef

uninstall-python:
	rm -rf '$(python_dir)'

endif

# --- The commands with a server of their own ------------------------------------------------------

# They run with the system's Python, which the packages that they install belong to. It is looked
# for when a recipe runs, because it may have been installed a line before.
run_python = PYTHONPATH=$(abspath $(top))/test:$(abspath $(top))/python PYTHONDONTWRITEBYTECODE=1 \
	$$(test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
install_dependencies = $(top)/tools/install-dependencies
lint_wanted := $(filter-out 0,$(or $(LINT),1))

dependencies:
	@$(install_dependencies) server tests lint

test:
	@$(install_dependencies) server tests $(if $(lint_wanted),lint)
	@$(run_python) $(top)/tools/run_tests.py $(if $(lint_wanted),lint) regress pytest

test-regress:
	@$(install_dependencies) server tests
	@$(run_python) $(top)/tools/run_tests.py regress

test-python:
	@$(install_dependencies) server tests
	@$(run_python) $(top)/tools/run_tests.py pytest

test-sanitize:
	@$(install_dependencies) server tests sanitize
	@$(run_python) $(top)/tools/sanitize.py $(SANITIZE_ARGS)

test-assert:
	@$(install_dependencies) server tests assert
	@$(run_python) $(top)/tools/assert_server.py

test-leaks:
	@$(install_dependencies) server tests leaks
	@$(run_python) $(top)/tools/leaks.py $(LEAKS_ARGS)

test-faults:
	@$(install_dependencies) server tests leaks
	@$(run_python) $(top)/tools/faults.py $(FAULTS_ARGS)

lint:
	@$(install_dependencies) server tests lint
	@$(run_python) $(top)/tools/run_tests.py lint

format:
	@$(install_dependencies) lint
	@$(run_python) $(top)/tools/lint.py --fix

demo:
	@$(install_dependencies) server demo
	@$(run_python) $(top)/demo/run.py

bench:
	@$(install_dependencies) server tests
	@$(run_python) $(top)/bench/run.py $(BENCH_ARGS)

matrix:
	@$(install_dependencies) matrix
	@$(run_python) $(top)/tools/matrix.py
