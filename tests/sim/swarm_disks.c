/*
 * What happens to disks while their nodes are down: records that are spoilt, disks that are lost,
 * copies that take their places.
 *
 * A disk that comes back as it was costs nothing but time, so that may happen to anybody. The rest
 * happens only to those whom the seed has chosen as victims; with the dead and with those that lie
 * they have less than a third of the power. A node without its disk follows without its key; an old
 * copy is a liar that does not know it; a backup is honest, but the others must do without it until
 * its watermark.
 */
#include "sim/swarm_state.h"

/* A copy is of some use only once the original has gone on for a while. */
#define COPY_AGAIN (MILLION / 4)

bool disks_is_victim(const struct swarm *swarm, uint32_t node)
{
    return swarm->plan.victim[node] != 0;
}

/* The node must refuse to start. Some victims lose the disk thereby, the others get it back. */
static void damage(struct swarm *swarm, uint32_t node)
{
    struct cluster *cluster = swarm->cluster;
    const bool is_lost =
        swarm->plan.victim[node] == FAULT_LOST_DISK && prng_chance(&swarm->prng, MILLION / 2);
    if (!cluster_damage(cluster, node)) {
        return;
    }
    cluster_start(cluster, node);
    if (cluster_is_up(cluster, node)) {
        return; /* which is a violation */
    }
    if (is_lost) {
        cluster_lose_disk(cluster, node);
    } else {
        cluster_repair(cluster, node);
    }
}

static void harm(struct swarm *swarm, uint32_t node)
{
    struct cluster *cluster = swarm->cluster;
    const enum cluster_fault victim = swarm->plan.victim[node];
    if (victim == 0 || !swarm_draws(swarm, victim)) {
        return;
    }
    cluster_crash(cluster, node);
    if (victim == FAULT_LOST_DISK) {
        cluster_lose_disk(cluster, node);
    } else if (victim == FAULT_OLD_COPY) {
        (void)cluster_restore_copy(cluster, node);
    } else if (victim == FAULT_BACKUP) {
        (void)cluster_restore_backup(cluster, node);
    }
}

/* Nodes that are planned to start later are left alone, or their first start would be another. */
static bool is_there(const struct swarm *swarm, uint32_t node)
{
    return cluster_is_up(swarm->cluster, node) ||
           (swarm->start_at_us[node] != NEVER && cluster_has_disk(swarm->cluster, node));
}

void disks_fault(struct swarm *swarm, uint32_t node)
{
    struct cluster *cluster = swarm->cluster;
    if (is_there(swarm, node) && swarm_draws(swarm, FAULT_DAMAGED_RECORD)) {
        cluster_crash(cluster, node);
        damage(swarm, node);
    }
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (disks_is_victim(swarm, i) && is_there(swarm, i)) {
            harm(swarm, i);
            if (prng_chance(&swarm->prng, COPY_AGAIN)) {
                (void)cluster_copy_disk(cluster, i);
            }
        }
    }
}
