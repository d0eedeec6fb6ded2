# The checks of the C code, for the Makefile: strict warnings and formatting. What they build goes to build/c/.
#
# -Werror stands here and not in the build scripts: a newer compiler's new warning fails a check, not an installation.

C_FOLDERS := rt/fieldstack_rt/native ethercat/fieldstack_ethercat/segment/native
C_FILES := $(filter-out $(GENERATED),$(wildcard $(C_FOLDERS:%=%/*.c)))
C_HEADERS := $(wildcard $(C_FOLDERS:%=%/*.h))
C_WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wcast-align -Wstrict-prototypes -Wmissing-prototypes -Werror
C_STRICT := -std=gnu11 -O2 $(C_WARNINGS) -DFS_LAYOUT_HASH=0ULL

.PHONY: lint-c format-c

lint-c: $(C_FILES:%.c=build/c/%.o)
	@$(BIN)/clang-format --dry-run -Werror $(C_FILES) $(C_HEADERS)

format-c: $(VENV)/.installed-dev
	@$(BIN)/clang-format -i $(C_FILES) $(C_HEADERS)

build/c/%.o: %.c $(C_HEADERS) tools/c.mk
	@mkdir -p $(@D)
	@$(CC) $(C_STRICT) -c $< -o $@
