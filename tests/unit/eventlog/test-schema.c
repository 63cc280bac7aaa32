/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/schema.h"
#include "fixture.h"

static sqlite3 *open_memory(void) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        return db;
}

static int64_t get(sqlite3 *db, const char *sql) {
        int64_t v;

        assert_int_equal(db_get_int64(db, sql, &v), 0);
        return v;
}

static const char *const later_steps[] = {
        "CREATE TABLE things(name TEXT);",
        "ALTER TABLE things ADD COLUMN size INTEGER; UPDATE things SET size = length(name);",
        "CREATE INDEX things_size ON things(size);",
};

static void upgrades_step_by_step(void **state) {
        sqlite3 *db = open_memory();

        /* A file of the first version, with data in it. */
        assert_int_equal(schema_upgrade(db, later_steps, 1), 0);
        assert_int_equal(get(db, "PRAGMA user_version"), 1);
        assert_int_equal(db_exec(db, "INSERT INTO things VALUES('four'), ('sixsix')"), 0);

        assert_int_equal(schema_upgrade(db, later_steps, 3), 0);
        assert_int_equal(get(db, "PRAGMA user_version"), 3);
        assert_int_equal(get(db, "SELECT sum(size) FROM things"), 10);
        assert_int_equal(get(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'things_size'"), 1);
        assert_int_equal(get(db, "SELECT count(*) FROM versions WHERE applied > 0"), 3);
        /* Nothing to do is no change. */
        int64_t changes = sqlite3_total_changes(db);
        assert_int_equal(schema_upgrade(db, later_steps, 3), 0);
        assert_int_equal(sqlite3_total_changes(db), changes);
        sqlite3_close(db);
}

static void a_failing_step_leaves_the_version_before(void **state) {
        static const char *const steps[] = {
                "CREATE TABLE things(name TEXT);",
                "CREATE TABLE more(name TEXT); INSERT INTO nowhere VALUES(1);",
        };
        sqlite3 *db = open_memory();

        assert_true(schema_upgrade(db, steps, 2) < 0);
        assert_int_equal(get(db, "PRAGMA user_version"), 1);
        assert_int_equal(get(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'more'"), 0);
        assert_true(sqlite3_get_autocommit(db));
        sqlite3_close(db);
}

static void refuses_newer_and_foreign(void **state) {
        sqlite3 *db = open_memory();

        assert_int_equal(schema_upgrade(db, later_steps, 3), 0);
        assert_int_equal(schema_upgrade(db, later_steps, 2), -EPROTONOSUPPORT);
        sqlite3_close(db);

        db = open_memory();
        assert_int_equal(db_exec(db, "CREATE TABLE theirs(a)"), 0);
        assert_int_equal(schema_upgrade(db, later_steps, 3), -EUCLEAN);
        assert_int_equal(get(db, "SELECT count(*) FROM sqlite_schema"), 1);
        sqlite3_close(db);
}

/* The file of a later version is refused as it is: not moved aside, not changed. */
static void a_newer_log_is_left_alone(void **state) {
        Fixture f;

        fixture_init(&f);
        fixture_open(&f);
        fixture_wait_durable(&f, fixture_append(&f, "test.event", NULL, PRIORITY_NORMAL, NULL));
        fixture_close(&f);
        sqlite3 *db;
        assert_int_equal(db_open(f.path, DB_WRITER, &db), 0);
        assert_int_equal(get(db, "PRAGMA user_version"), (int64_t) schema_n_steps);
        assert_int_equal(get(db, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
        assert_int_equal(db_exec(db, "PRAGMA user_version = 4711"), 0);
        sqlite3_close(db);

        assert_int_equal(fixture_try_open(&f), -EPROTONOSUPPORT);
        assert_null(f.damaged);
        assert_int_equal(file_int(f.path, "PRAGMA user_version"), 4711);
        assert_int_equal(file_int(f.path, "SELECT count(*) FROM events"), 1);
        fixture_done(&f);
}

static void settings(void **state) {
        Fixture f;
        sqlite3 *db;

        fixture_init(&f);
        assert_int_equal(db_open(f.path, DB_WRITER, &db), 0);
        assert_int_equal(get(db, "PRAGMA synchronous"), 2);
        assert_int_equal(get(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
        sqlite3_close(db);
        fixture_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(upgrades_step_by_step),
                cmocka_unit_test(a_failing_step_leaves_the_version_before),
                cmocka_unit_test(refuses_newer_and_foreign),
                cmocka_unit_test(a_newer_log_is_left_alone),
                cmocka_unit_test(settings),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
