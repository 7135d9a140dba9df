/* Where DynamoDB is: AWS_REGION, then AWS_DEFAULT_REGION, then the profile's region in
 * ~/.aws/config (AWS SDKs and Tools Reference Guide, "AWS Region"), then our own default. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "store/dynamodb/dynamodb.h"

#define SECTION_MAX 256

static void take_region(void *user, const char *name, const char *value)
{
    char *region = user;
    if (strcmp(name, "region") == 0)
        snprintf(region, REGION_MAX, "%s", value);
}

static bool from_config(char region[REGION_MAX])
{
    char path[4096], section[SECTION_MAX];
    const char *profile = profile_name();
    const char *prefix = strcmp(profile, "default") == 0 ? "" : "profile ";
    region[0] = '\0';
    if (profile_path(path, sizeof(path), "AWS_CONFIG_FILE", "config") != ERR_OK ||
        snprintf(section, sizeof(section), "%s%s", prefix, profile) >= SECTION_MAX)
        return false;
    /* What cannot be read is as if it was not there. */
    return profile_read(path, section, take_region, region) == ERR_OK && region[0] != '\0';
}

void region_find(char region[REGION_MAX], const char *set)
{
    const char *usual = getenv("AWS_DEFAULT_REGION");
    if (strcmp(option_source(OPTION_AWS_REGION), "default") != 0)
        snprintf(region, REGION_MAX, "%s", set);
    else if (usual != NULL && usual[0] != '\0')
        snprintf(region, REGION_MAX, "%s", usual);
    else if (!from_config(region))
        snprintf(region, REGION_MAX, "%s", set);
}
