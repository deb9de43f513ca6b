"""The catalog is searched by words and tags, and its facets are counted, without reading all of it.

Words and tags are looked up in one index over functions of the row. How many apps have which status and tag is kept
beside the table by its triggers: as changes that every statement appends, folded into sums once there are many. So no
row of a sum is written by each app's every change, which under a long reader would make it longer and longer to find.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

# Bodies are bound when they are made: an index is made and analyzed without a search path.
WORDS = """
    CREATE FUNCTION catalog_words(told text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(array_agg(left(word, 60) ORDER BY place), '{}')
        FROM regexp_split_to_table(lower(left(told, 20000)), '[^[:alnum:]]+') WITH ORDINALITY AS part (word, place)
        WHERE word <> ''
    )
"""

ABOUT = """
    CREATE FUNCTION repository_words(id text, name text, description text, repo_url text, tags jsonb)
    RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_to_tsvector(catalog_words(
        id || ' ' || name || ' ' || repo_url || ' ' || jsonb_path_query_array(tags, '$[*].*')::text || ' ' || description
    ))
"""

PAIRS = """
    CREATE FUNCTION repository_pairs(tags jsonb) RETURNS TABLE (key text, value text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT DISTINCT left(tag ->> 'key', 200), left(tag ->> 'value', 200)
        FROM jsonb_path_query(tags, '$[*]') AS tag
        WHERE tag ->> 'key' <> '' AND tag ->> 'value' IS NOT NULL;
    END
"""

TAGS = """
    CREATE FUNCTION repository_tags(tags jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(
        SELECT lower(key) FROM repository_pairs(tags)
        UNION SELECT lower(key || ':' || value) FROM repository_pairs(tags)
    )
"""

# An empty key stands for the app itself.
COUNTED = """
    CREATE FUNCTION repository_counted(tags jsonb) RETURNS TABLE (key text, value text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT key, value FROM repository_pairs(tags) UNION ALL SELECT '', '';
    END
"""

FOLDED_AT_A_TIME = 1_000

COUNT = f"""
    CREATE FUNCTION count_repositories() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        added bigint;
        newest bigint;
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO repository_count_changes (ingest_status, key, value, apps)
            SELECT ingest_status, key, value, count(*)
            FROM rows_after, repository_counted(tags) GROUP BY 1, 2, 3;
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO repository_count_changes (ingest_status, key, value, apps)
            SELECT ingest_status, key, value, -count(*)
            FROM rows_before, repository_counted(tags) GROUP BY 1, 2, 3;
        ELSE
            INSERT INTO repository_count_changes (ingest_status, key, value, apps)
            SELECT ingest_status, key, value, sum(apps) FROM (
                SELECT ingest_status, key, value, 1 AS apps FROM rows_after, repository_counted(tags)
                UNION ALL
                SELECT ingest_status, key, value, -1 FROM rows_before, repository_counted(tags)
            ) AS change
            GROUP BY 1, 2, 3 HAVING sum(apps) <> 0;
        END IF;
        GET DIAGNOSTICS added = ROW_COUNT;
        IF added = 0 THEN
            RETURN NULL;
        END IF;
        newest := currval('repository_count_changes_number_seq');
        -- Now and then, told by the numbers alone: to look for the oldest change would pass over all folded ones.
        IF newest / {FOLDED_AT_A_TIME} > (newest - added) / {FOLDED_AT_A_TIME} THEN
            WITH gone AS (DELETE FROM repository_count_changes RETURNING ingest_status, key, value, apps)
            INSERT INTO repository_counts AS kept (ingest_status, key, value, apps)
            SELECT ingest_status, key, value, sum(apps) FROM gone GROUP BY 1, 2, 3
            ON CONFLICT (ingest_status, key, value) DO UPDATE SET apps = kept.apps + excluded.apps;
        END IF;
        RETURN NULL;
    END
    $$
"""


def upgrade() -> None:
    op.execute("ALTER TABLE repositories ADD COLUMN last_ingested_at timestamptz")
    # Older rows lack it until the table is rebuilt; where there are none, nothing is to be done.
    op.execute(
        "UPDATE projection_versions SET version = 3"
        " WHERE name = 'repositories' AND NOT EXISTS (SELECT FROM repositories)"
    )
    for function in (WORDS, ABOUT, PAIRS, TAGS, COUNTED):
        op.execute(function)
    op.execute(
        "CREATE INDEX repositories_found ON repositories"
        " USING gin (repository_words(id, name, description, repo_url, tags), repository_tags(tags))"
    )
    op.execute('CREATE INDEX repositories_updated ON repositories (ingest_status, updated_at DESC, id COLLATE "C")')
    op.execute(
        "CREATE INDEX repositories_named ON repositories"
        ' (ingest_status, (left(lower(name), 200)) COLLATE "C", id COLLATE "C")'
    )
    op.execute("CREATE INDEX repositories_ingested ON repositories (last_ingested_at)")
    op.execute("""
        CREATE TABLE repository_counts (
            ingest_status text NOT NULL,
            key text NOT NULL,
            value text NOT NULL,
            apps bigint NOT NULL,
            PRIMARY KEY (ingest_status, key, value)
        ) WITH (fillfactor = 70)
    """)
    op.execute(
        'CREATE INDEX repository_counts_by_tag ON repository_counts ((lower(key)) COLLATE "C", (lower(value)) COLLATE "C")'
    )
    op.execute("""
        CREATE TABLE repository_count_changes (
            number bigint GENERATED ALWAYS AS IDENTITY,
            ingest_status text NOT NULL,
            key text NOT NULL,
            value text NOT NULL,
            apps bigint NOT NULL
        )
    """)
    op.execute("""
        INSERT INTO repository_counts
        SELECT ingest_status, key, value, count(*) FROM repositories, repository_counted(tags) GROUP BY 1, 2, 3
    """)
    op.execute(COUNT)
    for event, tables in {
        "INSERT": "NEW TABLE AS rows_after",
        "UPDATE": "OLD TABLE AS rows_before NEW TABLE AS rows_after",
        "DELETE": "OLD TABLE AS rows_before",
    }.items():
        op.execute(
            f"CREATE TRIGGER count_repositories_{event.lower()} AFTER {event} ON repositories"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION count_repositories()"
        )


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER count_repositories_{event} ON repositories")
    op.execute("DROP FUNCTION count_repositories()")
    op.execute("DROP TABLE repository_count_changes")
    op.execute("DROP TABLE repository_counts")
    for index in ("repositories_ingested", "repositories_named", "repositories_updated", "repositories_found"):
        op.execute(f"DROP INDEX {index}")
    op.execute("DROP FUNCTION repository_counted(jsonb)")
    op.execute("DROP FUNCTION repository_tags(jsonb)")
    op.execute("DROP FUNCTION repository_pairs(jsonb)")
    op.execute("DROP FUNCTION repository_words(text, text, text, text, jsonb)")
    op.execute("DROP FUNCTION catalog_words(text)")
    op.execute("ALTER TABLE repositories DROP COLUMN last_ingested_at")
    op.execute("UPDATE projection_versions SET version = 2 WHERE name = 'repositories'")
