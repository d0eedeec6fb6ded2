# The checks of the C code, for the Makefile. What they build goes to build/c/.
#
# lint-c: strict warnings and formatting; format-c formats. fuzz: SECONDS of it for each fuzzer, from SEED on; races:
# likewise threads against each other. coverage-c: lines that ran, a line a file, and the least there may be of all.
# -Werror stands here and not in the build scripts: a newer compiler's new warning fails a check, not an installation.

SECONDS ?= 60
C_COVERAGE_FLOOR ?= 96
SEED ?= $(shell date +%s)

RT_C := rt/fieldstack_rt/native
SEGMENT_C := ethercat/fieldstack_ethercat/segment/native
RT_SOURCES := $(filter-out $(GENERATED),$(wildcard $(RT_C)/*.c))
SEGMENT_SOURCES := $(filter-out $(GENERATED),$(wildcard $(SEGMENT_C)/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/c/fuzz/%,$(wildcard tests/fuzz/*.c))
RACES := $(patsubst tests/native/%.c,build/c/native/%,$(wildcard tests/native/*.c))
C_FILES := $(RT_SOURCES) $(SEGMENT_SOURCES) $(wildcard tests/fuzz/*.c tests/native/*.c)
C_HEADERS := $(wildcard $(RT_C)/*.h $(SEGMENT_C)/*.h tests/fuzz/*.h tests/native/*.h)

C_FLAGS := -std=gnu11 -I$(RT_C) -I$(SEGMENT_C) -DFS_LAYOUT_HASH=0ULL -pthread
C_WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wcast-align -Wstrict-prototypes -Wmissing-prototypes -Werror
C_SANITIZED := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=address,undefined,float-cast-overflow
# ThreadSanitizer knows no fences; what they order is all atomic here, and test_seqlock_model.py tries the order.
C_THREADS := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -Wno-tsan

.PHONY: lint-c format-c fuzz races coverage-c

lint-c: $(C_FILES:%.c=build/c/%.o)
	@$(BIN)/clang-format --dry-run -Werror $(C_FILES) $(C_HEADERS) || { echo "run: make format-c"; exit 1; }

format-c: $(VENV)/.installed-dev
	@$(BIN)/clang-format -i $(C_FILES) $(C_HEADERS)

fuzz: $(VENV)/.installed-dev
	@FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest --timeout=0 -s tests/fuzz

races: $(VENV)/.installed-dev
	@RACE_SECONDS=$(SECONDS) RACE_SEED=$(SEED) $(BIN)/python -m pytest --timeout=0 -s tests/native

coverage-c: $(VENV)/.installed-dev
	@sh tools/coverage_c.sh $(C_COVERAGE_FLOOR) $(BIN)

build/c/%.o: %.c $(C_HEADERS) tools/c.mk
	@mkdir -p $(@D)
	@$(CC) $(C_FLAGS) -O2 $(C_WARNINGS) -c $< -o $@

build/c/sanitized/%.o: %.c $(C_HEADERS) tools/c.mk
	@mkdir -p $(@D)
	@$(CC) $(C_FLAGS) $(C_SANITIZED) -c $< -o $@

build/c/threads/%.o: %.c $(C_HEADERS) tools/c.mk
	@mkdir -p $(@D)
	@$(CC) $(C_FLAGS) $(C_THREADS) -c $< -o $@

# Some take a source in, to reach its parts: it is not linked a second time.
RT_SANITIZED := $(RT_SOURCES:%.c=build/c/sanitized/%.o)
build/c/fuzz/segment_frames: $(SEGMENT_SOURCES:%.c=build/c/sanitized/%.o)
build/c/fuzz/store_readers: $(RT_SANITIZED)
build/c/fuzz/cycle_on_damage: $(filter-out %/cycle.o,$(RT_SANITIZED))
build/c/fuzz/safe_answers: $(filter-out %/safe_frames.o,$(RT_SANITIZED))

$(FUZZERS): build/c/fuzz/%: build/c/sanitized/tests/fuzz/%.o
	@mkdir -p $(@D)
	@$(CC) $(C_SANITIZED) -pthread $^ -o $@

RT_THREADS := $(RT_SOURCES:%.c=build/c/threads/%.o)
$(filter-out %/race_segment,$(RACES)): $(RT_THREADS)
build/c/native/race_segment: $(SEGMENT_SOURCES:%.c=build/c/threads/%.o)

$(RACES): build/c/native/%: build/c/threads/tests/native/%.o
	@mkdir -p $(@D)
	@$(CC) $(C_THREADS) -pthread $^ -o $@
