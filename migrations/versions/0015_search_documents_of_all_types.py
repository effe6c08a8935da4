"""Search in the episode's language, completions and corrections by the words there are, an index with an early end."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# PostgreSQL's stemmers by the primary tags of their languages.
LANGUAGES = {
    "arabic": "ar",
    "armenian": "hy",
    "basque": "eu",
    "catalan": "ca",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "irish": "ga",
    "italian": "it",
    "lithuanian": "lt",
    "nepali": "ne",
    "norwegian": "no nb nn",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "serbian": "sr",
    "spanish": "es",
    "swedish": "sv",
    "tamil": "ta",
    "turkish": "tr",
    "yiddish": "yi",
}
CREATED = [language for language in LANGUAGES if language != "english"]  # that one is there since the beginning


def upgrade() -> None:
    _configurations()
    _vectors()
    _words()
    _queries()
    _documents()
    _walks()


def _configurations() -> None:
    """One for each language, that folds accents and then stems."""
    op.execute("create text search configuration folded_simple (copy = folded)")
    for language in CREATED:
        op.execute(f"""
            create text search configuration folded_{language} (copy = {language});
            alter text search configuration folded_{language}
                alter mapping for hword, hword_part, word with unaccent, {language}_stem;
        """)
    known = " ".join(f"when '{tag}' then '{name}'" for name, tags in LANGUAGES.items() for tag in tags.split())
    op.execute(f"""
        -- the stemmer for a tag such as de-AT; simple where there is none
        create function language_of(tag text) returns text language sql immutable parallel safe
            return case lower(split_part(tag, '-', 1)) {known} else 'simple' end;
    """)


def _vectors() -> None:
    op.execute(r"""
        drop function document_vector(text, text, text[], text);
        drop function document_vector_of(text, text, text[], text, integer);

        create function quoted(lexeme text) returns text
            language sql immutable strict parallel safe
            return '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''';

        -- '^s', '^su', '^sum' for a word; what longer beginnings may mean, search_words tells
        create function beginnings(words tsvector) returns tsvector language sql immutable parallel safe as $$
            select coalesce(string_agg(distinct quoted('^' || left(word, size)) || '\:1', ' '), '')\:\:tsvector
            from unnest(tsvector_to_array(words)) as word, generate_series(1, 3) as size where length(word) > size
        $$;

        create function document_marks(kind text, tags text[], status text, show_id uuid, language text) returns text[]
            language sql immutable parallel safe
            return array_remove(array['all', language, kind, 'status ' || status, 'show ' || show_id], null)
                || array(select 'tag ' || tag from unnest(tags) as tag);

        -- Words as written and as stemmed, accents folded: title over description and tags over the rest. The marks are
        -- what a query may ask for besides words: '=german', '=clip', '=tag pier', and '=all'. No word of a text or
        -- of a query begins with '=' or '^'.
        create function document_vector_of(
            title text, body text, tags text[], rest text, language text, marks text[], most integer
        ) returns tsvector language plpgsql stable parallel safe as $$
        declare
            stemming constant regconfig := 'public.folded_' || language;
            about constant text := left(body, most);
            more constant text := left(rest, most);
            named constant tsvector := to_tsvector('public.folded', title);
            tagged constant tsvector := to_tsvector('public.folded', left(array_to_string(tags, ' '), most));
            marked constant text := (select string_agg(quoted('=' || mark) || '\:1', ' ') from unnest(marks) as mark);
            made tsvector := setweight(
                marked\:\:tsvector || named || to_tsvector(stemming, title) || beginnings(named), 'A')
                || setweight(tagged || beginnings(tagged), 'B');
        begin
            if about <> '' then
                made := made || setweight(to_tsvector('public.folded', about) || to_tsvector(stemming, about), 'B');
            end if;
            if more <> '' then
                made := made || setweight(to_tsvector('public.folded', more) || to_tsvector(stemming, more), 'D');
            end if;
            return made;
        end $$;

        -- A vector holds a megabyte. A hundred thousand characters of prose fit four times; of the few texts that
        -- do not fit, less is read, at last the title alone.
        create function document_vector(
            title text, body text, tags text[], rest text, language text, marks text[]
        ) returns tsvector language plpgsql stable parallel safe
            set plan_cache_mode = 'auto' as $$  -- an indexer plans anew each time, which takes longer than this
        declare
            most integer;
        begin
            if coalesce(length(body), 0) + coalesce(length(rest), 0) < 20000 then
                return document_vector_of(title, body, tags, rest, language, marks, 20000);
            end if;
            foreach most in array array[100000, 40000, 10000] loop
                begin
                    return document_vector_of(title, body, tags, rest, language, marks, most);
                exception when program_limit_exceeded then
                    null;
                end;
            end loop;
            return document_vector_of(title, '', '{}', '', language, marks, 0);
        end $$;
    """)


def _words() -> None:
    op.execute(r"""
        -- every word that a document has or had: what a beginning may become, what a mistyped word may mean
        create table search_words (word text collate "C" primary key);

        -- a word and what is left of it without one letter: two words that share one are a slip of the finger apart
        create function slips(word text) returns text[] language sql immutable strict parallel safe as $$
            select array_agg(distinct overlay(word placing '' from place for 1)) || word
            from generate_series(1, length(word)) as place
        $$;
        create index search_words_slips_idx on search_words using gin (slips(word))
            where length(word) between 4 and 24 and word !~ '[0-9=^]';

        create function learn(vectors tsvector[]) returns void language sql as $$
            insert into search_words
            select new.word from (
                select distinct word from unnest(vectors) as vector, unnest(tsvector_to_array(vector)) as word
            ) as new
            where left(new.word, 1) not in ('=', '^')
              and not exists (select from search_words as known where known.word = new.word)
            order by new.word
            on conflict do nothing
        $$;

        -- the languages that documents have or had
        create table search_languages (language text primary key);
    """)


def _queries() -> None:
    op.execute(r"""
        create function lexeme(word text) returns tsquery language sql immutable strict parallel safe
            return quoted(word)\:\:tsquery;

        -- the words that begin so, the shortest first
        create function completions(beginning text) returns tsquery language sql stable as $$
            select coalesce(string_agg(quoted(word), ' | '), '')\:\:tsquery from (
                select '^' || beginning where length(beginning) <= 3
                union all
                (select word from (
                    select word from search_words where word > beginning and word < beginning || chr(1114111)
                    order by word limit 2000
                ) as known order by length(word), word limit 32)
            ) as completed (word)
        $$;

        -- the last word of a query, unless it is part of a phrase
        create function last_word(query tsquery) returns text language sql immutable strict parallel safe
            return replace(replace(substring(query\:\:text from '(?\:^|[&|] )''((?\:[^'']|'''')*)''$'),
                                   '''''', ''''), '\\', '\');

        -- What a person asks for, as written in any text, and stemmed by a language in the texts of that language.
        -- `complete` has the words as they are; in `begun` the last one may go on; `ranking` orders what they find.
        create function search_query(
            asked text, typing boolean, out complete tsquery, out begun tsquery, out ranking tsquery
        ) language plpgsql stable as $$
        declare
            written constant tsquery := websearch_to_tsquery('public.folded', asked);
            last constant text := case when typing then last_word(written) end;
            longer constant tsquery := completions(last);
            stemmed tsquery;
            seen tsquery[] := array[written];
            spoken text;
        begin
            complete := written;
            ranking := written;
            if last is not null then
                ranking := ts_rewrite(written, lexeme(last), (quoted(last) || '\:*')\:\:tsquery);
            end if;
            if numnode(longer) > 0 then
                begun := ts_rewrite(written, lexeme(last), longer);
            end if;
            for spoken in select language from search_languages order by language loop
                stemmed := websearch_to_tsquery(('public.folded_' || spoken)\:\:regconfig, asked);
                continue when numnode(stemmed) = 0 or stemmed = written;
                complete := case
                    -- where there is but one language, what has a word as written has it stemmed, too
                    when position('!' in written\:\:text) = 0 and (select count(*) from search_languages) = 1
                        then stemmed
                    else complete || (lexeme('=' || spoken) && stemmed)
                end;
                if not stemmed = any(seen) then
                    ranking := ranking || stemmed;
                    seen := seen || stemmed;
                end if;
                -- the words before the last one, stemmed
                if numnode(stemmed) = numnode(written) and numnode(written) > 1 then
                    begun := begun || (lexeme('=' || spoken)
                                       && ts_rewrite(stemmed, lexeme(last_word(stemmed)), longer));
                end if;
            end loop;
            if position('!' in complete\:\:text) > 0 then
                complete := complete && lexeme('=all');  -- else all of the index would be read
            end if;
        end $$;

        -- The same for words that are mistyped: each may be any that is a slip of the finger apart.
        create function forgiving_query(
            asked text, out complete tsquery, out begun tsquery, out ranking tsquery
        ) language plpgsql stable as $$
        declare
            typed text;
            meant tsquery;
        begin
            complete := websearch_to_tsquery('public.folded', asked);
            foreach typed in array tsvector_to_array(to_tsvector('public.folded', asked)) loop
                select string_agg(quoted(near), ' | ')\:\:tsquery into meant from (
                    select known.word from search_words as known
                    where slips(known.word) && slips(typed)
                      and length(known.word) between 4 and 24 and known.word !~ '[0-9=^]'
                    limit 32
                ) as found (near) where length(typed) between 4 and 24;
                complete := ts_rewrite(complete, lexeme(typed), lexeme(typed) || coalesce(meant, ''));
            end loop;
            ranking := complete;
        end $$;
    """)


def _documents() -> None:
    """One index answers a query with all its filters, and stops at the newest that are enough."""
    op.execute(r"""
        drop index search_documents_vector_idx, search_documents_tags_idx, search_documents_show_id_idx,
            search_documents_likeness_idx, search_documents_entity_id_idx;
        drop function likeness(text, text[]);
        alter table search_documents
            add column language text not null default 'english',
            add column serial bigint generated by default as identity;  -- the later it came, the higher
        create index search_documents_vector_idx on search_documents using gin (
            vector, ts_filter(vector, '{a}'), (array[serial / 1024, -1 - serial / 16384])
        ) with (gin_pending_list_limit = 1024);
        create index search_documents_title_idx on search_documents (left(fold(title), 100), (-serial));

        -- the numbers under which the index knows documents that came together: long times are told by few
        create function eras(since bigint, upto bigint) returns bigint[] language sql immutable parallel safe
            return case when upto - since < 32768
                then array(select generate_series(since / 1024, upto / 1024))
                else array(select generate_series(-1 - upto / 16384, -1 - since / 16384)) end;

        -- The newest documents up to `newest` that match, `most` of them. A common word has enough among those that
        -- came last, and a rare one has few: nobody has to look at all matches of a common one. So first the last two
        -- eras, then as many as should do if they are like those before, and all where that is most of them.
        create function newest_matches(query tsquery, titled boolean, newest bigint, most bigint)
            returns table (serial bigint, entity_type text, entity_id uuid, tags text[], status text, vector tsvector)
            language plpgsql stable strict as $$
        declare
            looked constant text := 'select serial, entity_type, entity_id, tags, status, vector from search_documents'
                || ' where serial between $1 and $2 and ' || case when titled then 'ts_filter(vector, ''{a}'')'
                else 'vector' end || ' @@ $3'
                -- what is excluded is nowhere, not only not in the title
                || case when titled and position('!' in query\:\:text) > 0 then ' and vector @@ $3' else '' end;
            together constant text := ' and array[serial / 1024, -1 - serial / 16384] && eras($1, $2)';
            best constant text := ' order by serial desc limit $4';
            since bigint := greatest(newest / 1024 - 1, 0) * 1024;
            upto bigint := newest;
            found bigint := 0;
            more bigint;
            further bigint;
        begin
            loop
                return query execute looked || case when since > 0 then together else '' end || best
                    using since, upto, query, most - found;
                get diagnostics more = row_count;
                found := found + more;
                exit when found >= most or since = 0;
                further := (newest - since) * (most - found) / (found + 1) * 5 / 4;
                upto := since - 1;
                since := case when further between 0 and least(since / 2, 1000000) then since - further - 1 else 0 end;
            end loop;
        end $$;
    """)


def _walks() -> None:
    op.execute(r"""
        drop table reindexing;

        -- How far the walks over all documents have come, and what they found, one row a purpose. A walk stands after
        -- `after` of `entity_type`. It repairs what it finds, or tells; where it is gentle, nobody waits for it.
        create table search_walks (
            purpose text primary key constraint search_walks_purpose_check check (purpose in ('reindex', 'check')),
            repairing boolean not null,
            gentle boolean not null,
            entity_type text not null,
            after uuid not null default '00000000-0000-0000-0000-000000000000',
            total bigint not null,
            done bigint not null default 0,
            missing bigint not null default 0,
            orphaned bigint not null default 0,
            stale bigint not null default 0,
            started_at timestamptz not null default clock_timestamp(),
            finished_at timestamptz
        );

        -- what is there has to be written as it is found now
        insert into search_walks (purpose, repairing, gentle, entity_type, total)
        select 'reindex', true, false, 'background', count(*) from search_documents having count(*) > 0;
    """)


def downgrade() -> None:
    op.execute(r"""
        drop table search_walks;
        create table reindexing (
            entity_type text primary key,
            after uuid not null default '00000000-0000-0000-0000-000000000000',
            started_at timestamptz not null default clock_timestamp()
        );

        drop function newest_matches(tsquery, boolean, bigint, bigint);
        drop function eras(bigint, bigint);
        drop index search_documents_vector_idx, search_documents_title_idx;
        alter table search_documents drop column serial, drop column language;
        create function likeness(title text, tags text[]) returns text
            language sql immutable parallel safe
            return public.fold(title || ' ' || array_to_string(tags, ' '));
        create index search_documents_vector_idx on search_documents using gin (vector);
        create index search_documents_tags_idx on search_documents using gin (tags);
        create index search_documents_show_id_idx on search_documents (show_id);
        create index search_documents_likeness_idx on search_documents using gin (likeness(title, tags) gin_trgm_ops);
        create index search_documents_entity_id_idx on search_documents (entity_id);

        drop function forgiving_query(text);
        drop function search_query(text, boolean);
        drop function last_word(tsquery);
        drop function completions(text);
        drop function lexeme(text);
        drop table search_languages;
        drop function learn(tsvector[]);
        drop table search_words;
        drop function slips(text);
        drop function document_vector(text, text, text[], text, text, text[]);
        drop function document_vector_of(text, text, text[], text, text, text[], integer);
        drop function document_marks(text, text[], text, uuid, text);
        drop function beginnings(tsvector);
        drop function quoted(text);
        drop function language_of(text);
    """)
    for language in ("simple", *CREATED):
        op.execute(f"drop text search configuration folded_{language}")
    op.execute("""
        create function document_vector_of(title text, body text, tags text[], rest text, most integer)
            returns tsvector language sql immutable parallel safe
            return setweight(to_tsvector('public.folded', title), 'A')
                || setweight(to_tsvector('public.folded_english', title), 'A')
                || setweight(to_tsvector('public.folded', left(array_to_string(tags, ' '), most)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(body, ''), most)), 'B')
                || setweight(to_tsvector('public.folded_english', left(coalesce(body, ''), most)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(rest, ''), most)), 'D')
                || setweight(to_tsvector('public.folded_english', left(coalesce(rest, ''), most)), 'D');

        -- A vector holds a megabyte. A hundred thousand characters of prose fit four times; of the few texts that
        -- do not fit, less is read, at last the title alone.
        create function document_vector(title text, body text, tags text[], rest text) returns tsvector
            language plpgsql immutable as $$
        declare
            most integer;
        begin
            foreach most in array array[100000, 40000, 10000] loop
                begin
                    return document_vector_of(title, body, tags, rest, most);
                exception when program_limit_exceeded then
                    null;
                end;
            end loop;
            return document_vector_of(title, '', '{}', '', 0);
        end $$;
    """)
