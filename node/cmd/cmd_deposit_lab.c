#include "node/cmd/cmd_deposit_lab.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/base/text.h"
#include "node/cmd/cmd_admin.h"
#include "node/custody/custody_home.h"
#include "node/deposit/certificate_file.h"
#include "node/home/config.h"

#define SUFFIX ".cert"

static bool is_there(const char *home, const char *name)
{
    char *path = path_join(home, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

bool cmd_lab_is_meant(const struct cli *c)
{
    return c->home != NULL && cli_value(c, "socket") == NULL &&
           getenv("CAIRN_SOCKET") == NULL && is_there(c->home, "keys") &&
           !is_there(c->home, CONFIG_FILE) &&
           !is_there(c->home, CUSTODY_HOME_STORE);
}

static int bits(uint64_t set)
{
    int n = 0;

    for (; set != 0; set &= set - 1) {
        n++;
    }
    return n;
}

static json_t *deposit_json(const struct certificate_facts *f, const char *path)
{
    const struct manifest *m = &f->manifest;
    char id[CMD_ID_SIZE];

    return json_pack("{s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:I, s:n, s:s}",
                     "id", text_hex(id, m->deposit_id.bytes, DIGEST_SIZE),
                     "label", m->label, "sealed", (int)f->sealed, "k",
                     (int)m->k, "n", (int)m->n, "t", (int)m->t, "receipts",
                     bits(f->receipts), "acknowledgements",
                     bits(f->acknowledgements), "plain_size",
                     (json_int_t)m->plain_size, "state", "file", path);
}

/* One file of the folder, into the list or among the bad ones. */
static void file_take(const char *path, json_t *list, json_t *bad)
{
    struct certificate_file *file = NULL;
    char errmsg[ERRMSG_SIZE] = "";

    if (certificate_file_read(path, &file, errmsg) == OK) {
        (void)json_array_append_new(list, deposit_json(&file->facts, path));
        certificate_file_free(file);
    } else {
        (void)json_array_append_new(bad, json_string(errmsg));
    }
}

static int is_certificate(const struct dirent *e)
{
    const char *end = strrchr(e->d_name, '.');

    return end != NULL && strcmp(end, SUFFIX) == 0;
}

/* The certificates in |folder|, to be freed by the caller, and how many; none
 * when it is not there. -1 with words. */
static int names_list(const char *folder, struct dirent ***names, char *errmsg)
{
    int len = scandir(folder, names, is_certificate, alphasort);

    if (len < 0 && errno == ENOENT) {
        return 0; /* Before the first deposit. */
    }
    if (len < 0) {
        (void)file_error(errmsg, "list", folder);
    }
    return len;
}

json_t *cmd_lab_deposits(const char *home)
{
    char *folder = path_join(home, "deposits");
    struct dirent **names = NULL;
    json_t *list = json_array();
    json_t *bad = json_array();
    char errmsg[ERRMSG_SIZE] = "";
    char now[TEXT_SIZE];
    int len = names_list(folder, &names, errmsg);

    if (len < 0) {
        (void)json_array_append_new(bad, json_string(errmsg));
    }
    for (int i = 0; i < len; i++) {
        char *path = path_join(folder, names[i]->d_name);

        file_take(path, list, bad);
        free(path);
        free(names[i]);
    }
    free(names);
    free(folder);
    return json_pack("{s:s, s:s, s:o, s:o}", "covers",
                     "the certificates in this lab's home", "as_of",
                     text_time(now, (uint64_t)time(NULL)), "deposits", list,
                     "bad", bad);
}

char *cmd_lab_certificate(const char *home, const char *id, char *errmsg)
{
    char *folder = path_join(home, "deposits");
    struct dirent **names = NULL;
    char *found = NULL;
    int matches = 0;
    int len = names_list(folder, &names, errmsg);

    for (int i = 0; i < len; i++) {
        if (strncmp(names[i]->d_name, id, strlen(id)) == 0) {
            matches++;
            free(found);
            found = path_join(folder, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    free(folder);
    if (len >= 0 && matches != 1) {
        errmsg_set(errmsg, "%s deposits of this lab begin with '%s'",
                   matches == 0 ? "no" : "several", id);
        free(found);
        found = NULL;
    }
    return found;
}
