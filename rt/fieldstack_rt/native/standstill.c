#include "standstill.h"

/* Stated bounds. */
static const double STAND_S = 0.010;      /* at rest for so long: it stands */
static const uint64_t OBEY_NS = 50000000; /* a drive leaves Operation enabled so soon after a quick stop */
static const double REST_COUNTS = 2.0;    /* an encoder's last bits */
static const double MEAN_S = 0.02;        /* a cycle that is late shows a speed that is not the motor's */
static const double LONGEST_RAMP_S = 1e6; /* however slowly it may slow down */
static const double SLOWS_DOWN = 0.99;    /* a motor without power that is no slower than this is driven */

static double magnitude(double value) { return value < 0 ? -value : value; }

static double difference(int32_t now, int32_t before) { return (double)(int32_t)((uint32_t)now - (uint32_t)before); }

static uint32_t cycles_of(double seconds, double dt_s) {
    double cycles = seconds / dt_s;
    return cycles < 3.0 ? 3 : (uint32_t)(cycles + 0.5);
}

static void unseen(fs_standstill *axis, const fs_axis_config *config) {
    if (axis->stale++ < config->stale_limit) return;
    axis->stale = config->stale_limit + 1;
    axis->still = axis->window = 0;
    axis->stand = FS_STAND_UNKNOWN;
}

/* Neither 0x606C nor the encoder is believed alone: where both are there, both must tell of rest. */
static int rests(const fs_standstill *axis, const fs_axis_config *config, const fs_axis_state *state, double dt_s) {
    double rest = fs_axis_rest_speed(config, dt_s);
    if (config->position < 0 && config->velocity < 0) return 0;
    if (config->velocity >= 0 && magnitude(state->velocity) > rest) return 0;
    if (config->position < 0 || axis->window == 0) return 1;
    return magnitude(difference(state->position, axis->anchor)) <= rest * dt_s * axis->window + REST_COUNTS;
}

static double speed_of(const fs_standstill *axis, const fs_axis_config *config, const fs_axis_state *state,
                       double dt_s) {
    double travelled =
        config->position < 0 ? 0.0 : magnitude(difference(state->position, axis->last)) / (dt_s * (1 + axis->stale));
    double shown = config->velocity < 0 ? 0.0 : magnitude(state->velocity);
    return shown > travelled ? shown : travelled;
}

void fs_standstill_see(fs_standstill *axis, const fs_axis_config *config, const fs_axis_state *state, int fresh,
                       double dt_s) {
    if (!fresh) {
        unseen(axis, config);
        return;
    }
    int first = axis->stand == FS_STAND_UNKNOWN && axis->still == 0;
    axis->speed = first ? magnitude(state->velocity) : speed_of(axis, config, state, dt_s);
    axis->last = state->position;
    axis->stale = 0;
    uint32_t enough = cycles_of(STAND_S, dt_s);
    if (!rests(axis, config, state, dt_s)) {
        axis->still = axis->window = 0;
        axis->stand = FS_STAND_MOVING;
        return;
    }
    if (axis->window == 0) axis->anchor = state->position;
    axis->window = axis->window >= enough ? 0 : axis->window + 1; /* else an hour's rest would excuse any journey */
    axis->still += axis->still < enough;
    if (axis->still == enough) axis->stand = FS_STAND_STANDING;
}

/* ---- the bound ---- */

static uint64_t bound_of(const fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven) {
    double target = magnitude(driven->velocity), speed = axis->speed > target ? axis->speed : target;
    double ramp_s = config->deceleration > 0 ? speed / config->deceleration : 0.0;
    return config->stop_margin_ns + (uint64_t)((ramp_s < LONGEST_RAMP_S ? ramp_s : LONGEST_RAMP_S) * 1e9);
}

static void begin(fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven) {
    axis->elapsed_ns = 0;
    axis->bound_ns = bound_of(axis, config, driven);
}

static void end(fs_standstill *axis) {
    axis->must = axis->stood = axis->powered = axis->ignores = 0;
    axis->elapsed_ns = axis->bound_ns = 0;
}

/* A drive that was told to give up power, or to stop by itself, and says that nothing of it has come true. */
static int disobeys(const fs_axis *driven) {
    int quick_stop = fs_axis_word_is_quick_stop(driven), enables = fs_axis_word_enables(driven);
    if (enables) return 0;
    return fs_axis_enabled(driven) || (!quick_stop && fs_axis_quick_stopping(driven));
}

static int late(const fs_standstill *axis) {
    return axis->must && axis->stand == FS_STAND_MOVING && axis->elapsed_ns > axis->bound_ns && axis->powered;
}

static int unobeyed(const fs_standstill *axis, const fs_axis_config *config) {
    uint64_t bound = axis->bound_ns > config->stop_margin_ns ? axis->bound_ns : config->stop_margin_ns;
    return axis->unobeyed_ns > bound;
}

/* ---- the ladder ---- */

static int is_of_use(uint32_t rung, const fs_axis_config *config, uint32_t stop) {
    if (rung == FS_RUNG_QUICK_STOP) return stop != FS_STOP_ESTOP; /* that is one already, or takes the power at once */
    return rung != FS_RUNG_BRAKE || config->brake >= 0;
}

static int climb(fs_standstill *axis, const fs_axis_config *config, uint32_t stop) {
    axis->rung_ns = 0;
    axis->speed_at_rung = axis->mean;
    while (axis->step < config->rungs) {
        uint32_t rung = config->ladder[axis->step++];
        if (!is_of_use(rung, config, stop)) continue;
        axis->forced |= (uint8_t)(1u << rung);
        return 1;
    }
    return 0;
}

/* Without power nothing but friction stops it: as long as it gets slower, the next rung could do no more. */
static int coasts(fs_standstill *axis, const fs_axis *driven) {
    int slower = axis->mean < axis->speed_at_rung * SLOWS_DOWN;
    axis->speed_at_rung = axis->mean;
    return slower && !fs_axis_powered(driven);
}

static enum fs_standstill_news next_rung(fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven,
                                         uint32_t stop) {
    if (axis->step == 0) return climb(axis, config, stop) ? FS_NEWS_RUNG : FS_NEWS_NONE;
    if (axis->rung_ns < config->rung_ns) return FS_NEWS_NONE;
    axis->rung_ns = 0;
    if (coasts(axis, driven)) return FS_NEWS_NONE;
    return climb(axis, config, stop) ? FS_NEWS_RUNG : FS_NEWS_NONE;
}

/* What its rungs force stays until a person has looked, and it stands. */
static void release(fs_standstill *axis, uint32_t resets) {
    if (axis->reset_seen != resets && axis->stand == FS_STAND_STANDING && !axis->unobeyed_ns) {
        axis->step = 0;
        axis->forced = axis->ignores = 0;
    }
    axis->reset_seen = resets;
}

static void count(fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven, double dt_s) {
    uint64_t period_ns = (uint64_t)(dt_s * 1e9);
    axis->rung_ns += period_ns;
    if (axis->speed >= 0) axis->mean += (axis->speed - axis->mean) * (dt_s < MEAN_S ? dt_s / MEAN_S : 1.0);
    if (axis->stale) return; /* nothing is known: no evidence against it */
    axis->unobeyed_ns = disobeys(driven) ? axis->unobeyed_ns + period_ns : 0;
    if (!axis->must) return;
    axis->powered |= (uint8_t)fs_axis_powered(driven);
    if (axis->stand == FS_STAND_STANDING) {
        axis->stood = 1;
        axis->powered = (uint8_t)fs_axis_powered(driven); /* moved by hand from here on, it is nobody's failure */
        begin(axis, config, driven);
    } else {
        axis->elapsed_ns += period_ns;
    }
}

/* In a stop that is the drive's own, Operation enabled and motion are a refusal, whatever the bound. */
static int ignores_now(const fs_standstill *axis, const fs_axis *driven, uint32_t stop) {
    return stop == FS_STOP_ESTOP && !axis->ignores && axis->unobeyed_ns > OBEY_NS && fs_axis_enabled(driven) &&
           axis->stand == FS_STAND_MOVING;
}

enum fs_standstill_news fs_standstill_judge(fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven,
                                            uint32_t stop, uint32_t resets, double dt_s) {
    release(axis, resets);
    if (stop == FS_STOP_NONE && !axis->step) end(axis);
    if (stop != FS_STOP_NONE && !axis->must) {
        axis->must = 1;
        axis->powered = (uint8_t)(fs_axis_powered(driven) || fs_axis_was_commanded(driven));
        begin(axis, config, driven);
    }
    count(axis, config, driven, dt_s);
    if (late(axis) || unobeyed(axis, config)) return next_rung(axis, config, driven, stop);
    if (!ignores_now(axis, driven, stop)) return FS_NEWS_NONE;
    axis->ignores = 1;
    return FS_NEWS_IGNORES;
}

uint32_t fs_standstill_rung(const fs_standstill *axis, const fs_axis_config *config) {
    return axis->step ? config->ladder[axis->step - 1] : FS_RUNG_NONE;
}

int fs_standstill_force(const fs_standstill *axis, fs_axis *driven) {
    if (axis->forced & 1u << FS_RUNG_DISABLE_VOLTAGE) fs_axis_force(driven, 0);
    else if (axis->forced & 1u << FS_RUNG_QUICK_STOP) fs_axis_force(driven, 1);
    return !(axis->forced & (1u << FS_RUNG_SAFE_OUTPUTS | 1u << FS_RUNG_END_RT));
}

int fs_standstill_runs_on(const fs_standstill *axis) { return axis->forced || axis->ignores; }
