/*
 * ingot_twins: plays scenarios of Twins and reports how many. On a violation it prints the
 * scenario, and what to type to see it again.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "twins/search.h"

static const char usage[] =
    "usage: ingot_twins --views N [--forks] [--jobs N]\n"
    "       ingot_twins --random N [--views-min 6] [--views-max 8] [--seed S] [--forks] [--jobs "
    "N]\n"
    "       ingot_twins --scenario TEXT [--forks]\n"
    "The first plays all scenarios of N views, 1 to 5, the second so many at random, the third "
    "one,\n"
    "and says what happens in it. With --forks, nothing is a violation but conflicting commits.\n";

static _Noreturn void refuse(const char *what)
{
    (void)fprintf(stderr, "ingot_twins: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number_of(const char *text, uint64_t lowest, uint64_t highest, const char *what)
{
    char *end = NULL;
    const uint64_t number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number < lowest || number > highest) {
        char sentence[160];
        (void)snprintf(sentence, sizeof sentence,
                       "%s must be a number from %" PRIu64 " to %" PRIu64, what, lowest, highest);
        refuse(sentence);
    }
    return number;
}

static int replay(const char *text, bool forks_only)
{
    struct scenario scenario;
    const char *why = NULL;
    if (!scenario_parse(text, &scenario, &why)) {
        refuse(why);
    }
    struct tally tally = {0};
    struct player *player = player_new(forks_only);
    const bool is_right = player_play(player, &scenario, stdout, &tally);
    const struct judge *judge = player_judge(player);
    if (!is_right) {
        (void)printf("violated: %s: %s\n", judge_rule_text(judge->violated), judge->violation);
    }
    (void)printf("height %" PRIu64 " is committed, in view %" PRIu64 "\n", judge->committed_height,
                 tally.views);
    player_free(player);
    return is_right ? 0 : 1;
}

static void print_tally(const struct tally *tally)
{
    (void)printf("plays in which\n"
                 "  both twins proposed in one view          %10" PRIu64 "\n"
                 "  blocks were committed between splits     %10" PRIu64 "\n"
                 "  no side of a split had a quorum          %10" PRIu64 "\n"
                 "  the twins were accused, with evidence    %10" PRIu64 "\n"
                 "  blocks had to be fetched                 %10" PRIu64 "\n"
                 "  the validator set changed                %10" PRIu64 "\n"
                 "  a change was cut off between its phases  %10" PRIu64 "\n"
                 "  an honest validator came back            %10" PRIu64 "\n",
                 tally->both_proposed, tally->commits_early, tally->lifted, tally->accused,
                 tally->fetched, tally->set_changes, tally->prepared_again, tally->restarts);
    (void)printf("%" PRIu64 " messages, %" PRIu64 " views, %" PRIu64 " blocks, %" PRIu64
                 " views given up; healed within %u views, %u where leaders keep four\n",
                 tally->deliveries, tally->views, tally->blocks_committed, tally->timeouts,
                 tally->heal_views_max[0], tally->heal_views_max[1]);
}

/* A search that has lost scenarios on the way, or its attack, has found nothing. */
static bool is_complete(const struct search *search, const struct found *found)
{
    if (search->views != 0 && found->scenarios != scenario_count(search->views)) {
        (void)fprintf(stderr, "ingot_twins: %" PRIu64 " of %" PRIu64 " scenarios were covered\n",
                      found->scenarios, scenario_count(search->views));
        return false;
    }
    if (found->tally.both_proposed == 0 && found->scenarios > 1000) {
        (void)fprintf(stderr, "ingot_twins: the twins have never both proposed in one view\n");
        return false;
    }
    return true;
}

static int report(const struct search *search, double seconds, const struct found *found)
{
    print_tally(&found->tally);
    bool is_right = found->violations == 0;
    if (!is_right) {
        (void)fprintf(stderr, "violated: %s: %s\nsee it again: ingot_twins --scenario %s\n",
                      found->violated == JUDGE_NONE ? "an assertion"
                                                    : judge_rule_text(found->violated),
                      found->violation, found->scenario);
    } else {
        is_right = is_complete(search, found);
    }
    (void)printf("{\"torture\":\"twins\",\"scenarios\":%" PRIu64 ",\"distinct\":%" PRIu64
                 ",\"plays\":%" PRIu64 ",\"views\":%" PRIu64 ",\"messages\":%" PRIu64
                 ",\"set_changes\":%" PRIu64 ",\"restarts\":%" PRIu64
                 ",\"seconds\":%.1f,\"violations\":%" PRIu64 "}\n",
                 found->scenarios, found->distinct, found->tally.plays, found->tally.views,
                 found->tally.deliveries, found->tally.set_changes, found->tally.restarts, seconds,
                 found->violations);
    return is_right ? 0 : 1;
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    enum { VIEWS, RANDOM, VIEWS_MIN, VIEWS_MAX, SEED, JOBS, FORKS, SCENARIO };
    static const struct option options[] = {
        {"views", required_argument, NULL, VIEWS},
        {"random", required_argument, NULL, RANDOM},
        {"views-min", required_argument, NULL, VIEWS_MIN},
        {"views-max", required_argument, NULL, VIEWS_MAX},
        {"seed", required_argument, NULL, SEED},
        {"jobs", required_argument, NULL, JOBS},
        {"forks", no_argument, NULL, FORKS},
        {"scenario", required_argument, NULL, SCENARIO},
        {NULL, 0, NULL, 0},
    };
    struct search search = {.views_min = 6, .views_max = 8, .seed = 1, .jobs = 1};
    const char *text = NULL;
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case VIEWS:
            search.views = (uint32_t)number_of(optarg, 1, 5, "--views");
            break;
        case RANDOM:
            search.random = number_of(optarg, 1, UINT64_MAX / 2, "--random");
            break;
        case VIEWS_MIN:
            search.views_min = (uint32_t)number_of(optarg, 1, SCENARIO_VIEWS_MAX, "--views-min");
            break;
        case VIEWS_MAX:
            search.views_max = (uint32_t)number_of(optarg, 1, SCENARIO_VIEWS_MAX, "--views-max");
            break;
        case SEED:
            search.seed = number_of(optarg, 0, UINT64_MAX, "--seed");
            break;
        case JOBS:
            search.jobs = (uint32_t)number_of(optarg, 1, SEARCH_JOBS_MAX, "--jobs");
            break;
        case FORKS:
            search.forks_only = true;
            break;
        case SCENARIO:
            text = optarg;
            break;
        default:
            refuse("unknown option");
        }
    }
    if (text != NULL && optind == argc) {
        return replay(text, search.forks_only);
    }
    if (optind != argc || (search.views == 0) == (search.random == 0) ||
        search.views_min > search.views_max) {
        refuse("one of --views, --random and --scenario is needed");
    }
    const double begin = now_seconds();
    struct found found;
    search_run(&search, &found);
    return report(&search, now_seconds() - begin, &found);
}
