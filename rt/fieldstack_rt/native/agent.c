#include "agent.h"

#include <string.h>

#include "lock.h"
#include "store.h"

static const uint64_t LONGEST_WATCH_NS = 60000000000u, LONGEST_GRACE_NS = 3600000000000u;
static const fs_agent_settings BUILT_IN = {60000000u,    500000000u,    10000000000u, 0,
                                           30000000000u, FS_AGENT_HOLD, FS_AGENT_HOLD};

static uint64_t first_set(uint64_t value, uint64_t otherwise) { return value ? value : otherwise; }

void fs_agent_begin(fs_agent *agent, const fs_store *store, const fs_agent_settings *defaults, uint64_t period_ns) {
    memset(agent, 0, sizeof *agent);
    agent->defaults = (fs_agent_settings){
        first_set(defaults->slow_ns, BUILT_IN.slow_ns),
        first_set(defaults->timeout_ns, BUILT_IN.timeout_ns),
        first_set(defaults->grace_ns, BUILT_IN.grace_ns),
        defaults->go_on_ns,
        first_set(defaults->hold_at_most_ns, BUILT_IN.hold_at_most_ns),
        (uint32_t)first_set(defaults->on_silent, BUILT_IN.on_silent),
        (uint32_t)first_set(defaults->on_dead, BUILT_IN.on_dead),
    };
    agent->settings = agent->defaults;
    agent->period_ns = period_ns;
    agent->beat = fs_load64(&store->nonrt_beat);
}

/* ---- settings ---- */

typedef struct bounds { uint64_t least, most; } bounds;

static uint64_t taken(fs_agent *agent, uint32_t word, uint64_t value, bounds allowed, uint64_t otherwise) {
    if (value == 0) return otherwise;
    if (value >= allowed.least && value <= allowed.most) return value;
    agent->damaged |= word;
    return otherwise;
}

static void take_settings(fs_agent *agent, const fs_store *store) {
    const fs_agent_settings *own = &agent->defaults;
    bounds watch = {agent->period_ns, LONGEST_WATCH_NS}, grace = {1, LONGEST_GRACE_NS};
    bounds hold = {agent->period_ns, LONGEST_GRACE_NS};
    bounds go_on = {1, LONGEST_WATCH_NS}, reaction = {FS_AGENT_STOP, FS_AGENT_HOLD};
    agent->damaged = 0;
    agent->settings = (fs_agent_settings){
        taken(agent, FS_WORD_SLOW, fs_load64(&store->agent_slow_ns), watch, own->slow_ns),
        taken(agent, FS_WORD_TIMEOUT, fs_load64(&store->agent_timeout_ns), watch, own->timeout_ns),
        taken(agent, FS_WORD_GRACE, fs_load64(&store->agent_grace_ns), grace, own->grace_ns),
        taken(agent, FS_WORD_GO_ON, fs_load64(&store->agent_go_on_ns), go_on, own->go_on_ns),
        taken(agent, FS_WORD_HOLD, fs_load64(&store->agent_hold_at_most_ns), hold, own->hold_at_most_ns),
        (uint32_t)taken(agent, FS_WORD_ON_SILENT, fs_load32(&store->agent_on_silent), reaction, own->on_silent),
        (uint32_t)taken(agent, FS_WORD_ON_DEAD, fs_load32(&store->agent_on_dead), reaction, own->on_dead),
    };
}

/* ---- the view ---- */

/* The order matters: beats that are read after the death notice hold all that the dead one gave, so a later
 * one is a living process's.  A notice that stands while somebody beats is damage, not a death. */
static void take_beat(fs_agent *agent, const fs_store *store) {
    int died = fs_lock_died(fs_lock_word(&store->nonrt_lock));
    uint64_t beat = fs_load64(&store->nonrt_beat);
    int moved = beat != agent->beat;
    agent->beat = beat;
    agent->gap_ns = moved ? 0 : agent->gap_ns + agent->period_ns;
    agent->seen |= (uint32_t)moved;
    if (!died) agent->distrusted = 0;
    if (died && !agent->dead && !agent->distrusted) {
        agent->dead = 1;
    } else if (moved) {
        agent->dead = 0;
        agent->distrusted = (uint32_t)died;
    }
}

static uint32_t view_of(const fs_agent *agent, const fs_store *store) {
    if (agent->dead) return FS_PEER_DEAD;
    if (!agent->seen) return FS_PEER_NEVER;
    if (agent->gap_ns <= agent->settings.slow_ns && agent->gap_ns <= agent->settings.timeout_ns) return FS_PEER_WELL;
    if (fs_load32(&store->nonrt_stopping) == 1) return FS_PEER_STOPPING;
    return agent->gap_ns > agent->settings.timeout_ns ? FS_PEER_SILENT : FS_PEER_SLOW;
}

static int failed(const fs_agent *agent) {
    return agent->view == FS_PEER_DEAD || agent->view == FS_PEER_SILENT ||
           (agent->view == FS_PEER_STOPPING && agent->gap_ns > agent->settings.timeout_ns);
}

void fs_agent_look(fs_agent *agent, const fs_store *store) {
    take_settings(agent, store);
    take_beat(agent, store);
    agent->view = view_of(agent, store);
    agent->failed_ns = failed(agent) ? agent->failed_ns + agent->period_ns : 0;
}

uint32_t fs_agent_stop(const fs_agent *agent) {
    if (!agent->seen) return agent->dead ? FS_STOP_NONRT_DEAD : FS_STOP_NONRT_SILENT; /* nothing may move yet */
    if (!failed(agent) || agent->failed_ns <= agent->settings.go_on_ns) return FS_STOP_NONE;
    return agent->view == FS_PEER_DEAD ? FS_STOP_NONRT_DEAD : FS_STOP_NONRT_SILENT;
}

int fs_agent_hold_over(const fs_agent *agent) { return agent->gap_ns > agent->settings.hold_at_most_ns; }

uint32_t fs_agent_reaction_now(const fs_agent *agent) {
    if (fs_agent_hold_over(agent)) return FS_AGENT_STOP; /* who was to come back in a moment has not */
    if (!agent->seen) return FS_AGENT_HOLD;              /* what a predecessor moved is held */
    return agent->view == FS_PEER_DEAD ? agent->settings.on_dead : agent->settings.on_silent;
}
