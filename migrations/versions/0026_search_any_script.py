"""Search of text without spaces, of codes and file names, and of any form of the same letters."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Scripts that are written without spaces between words, or with endings that grow on to them: Thai, Lao, Burmese,
# Khmer, Tai, Javanese, Balinese, Chinese, Japanese, Korean, Yi. And what stands over or under a letter of theirs.
DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf"
    r"\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    r"\u4e00-\ua4cf\ua960-\ua9ff\uaa60-\uaadf\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
SIGNS = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u105e-\u1060"
    r"\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u17b4-\u17d3\u17dd\u1a55-\u1a7f"
    r"\u1b00-\u1b04\u1b34-\u1b44\u3099\u309a\ua980-\ua983\ua9b3-\ua9c0\uaab0-\uaabf"
)
SYLLABLE = f"[{DENSE}][{SIGNS}]*"
# What is not seen (joiners, marks of direction, variants) and what is folded beside accents: the vowels of Arabic and
# Hebrew. A zero-width space ends a word.
UNSEEN = (
    r"\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200c-\u200f\u202a-\u202e"
    r"\u2060-\u2064\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff"
)
# Letters that are one to whoever types, and digits of other scripts.
LIKE = {"\u03c2": "\u03c3", **dict.fromkeys("\u0622\u0623\u0625\u0671", "\u0627"), "\u200b": " "}
ZEROS = "\u0660\u06f0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0e50\u0ed0\u0f20\u1040\u17e0"
ALIKE = LIKE | {chr(ord(zero) + digit): str(digit) for zero in ZEROS for digit in range(10)}

REINDEX = """
    -- what is there has to be written as it is found now
    insert into search_walks (purpose, repairing, gentle, entity_type, total)
    select 'reindex', true, false, 'background', count(*) from search_documents having count(*) > 0
    on conflict (purpose) do update set repairing = true, gentle = false, entity_type = excluded.entity_type,
        after = default, total = excluded.total, done = 0, missing = 0, orphaned = 0, stale = 0,
        started_at = clock_timestamp(), finished_at = null
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # words as they were known before: none has a sign in it any more
        op.execute("delete from search_words where word ~ '[[\\:punct\\:]]' and left(word, 1) not in ('=', '^')")
    op.execute("set local lock_timeout = '3s'")
    _texts()
    _vectors()
    _queries()
    op.execute(REINDEX)


def _texts() -> None:
    op.execute(rf"""
        -- has text without spaces
        create function dense(value text) returns boolean language sql immutable parallel safe
            return octet_length(value) > length(value) and value ~ '[{DENSE}]';

        -- A text as words, whatever stands between them: of 'EP-104' and 'IMG_4711.MOV' come 'ep 104' and
        -- 'img 4711 mov'. One form of each letter, accents folded. Text without spaces comes as all its pairs of
        -- syllables in their order, and the last syllable: of '连衣裙' come '连衣 衣裙 裙'.
        create function tokenized(value text) returns text language plpgsql immutable strict parallel safe as $$
        begin
            if octet_length(value) = length(value) then
                return regexp_replace(lower(value), '[^a-z0-9]+', ' ', 'g');
            end if;
            value := regexp_replace(normalize(value, nfkc), '[{UNSEEN}]+', '', 'g');
            value := translate(lower(public.unaccent('public.unaccent', value) collate "pg_c_utf8"),
                               '{"".join(ALIKE)}', '{"".join(ALIKE.values())}');
            value := regexp_replace(value collate "pg_c_utf8", '[[\:punct\:][\:space\:][\:cntrl\:]]+', ' ', 'g');
            if dense(value) then
                value := regexp_replace(value, '([{DENSE}]+)', ' \1 ', 'g');
                value := regexp_replace(value, '(?<=[{DENSE}])(?![{SIGNS}])({SYLLABLE})', '\1 \1', 'g');
            end if;
            return value;
        end $$;

        -- Words, and after them the letters and numbers of those that have both: of 's01e04' come also
        -- 's01 e04 s 01 e 04'. What goes to and fro more often says nothing by its parts.
        create function with_parts(words text) returns text language plpgsql immutable strict parallel safe as $$
        declare
            mixed text;
        begin
            if words !~ '[0-9][^0-9 ]|[^0-9 ][0-9]' then
                return words;
            end if;
            mixed := regexp_replace(words || ' ', '\m(?\:[0-9]+|[^0-9 ]+) ', '', 'g');
            if mixed ~ '[0-9][^0-9 ]' then
                mixed := regexp_replace(mixed, '[^ ]*(?\:[0-9]+[^0-9 ]+){{3}}[^ ]*', '', 'g');
                words := concat_ws(' ', words, regexp_replace(
                    regexp_replace(mixed, '\m[^0-9 ]+[0-9]+ ', '', 'g'), '([0-9])([^0-9 ])', '\1 \2', 'g'));
            end if;
            return concat_ws(' ', words, regexp_replace(mixed, '([0-9]+)', ' \1 ', 'g'));
        end $$;

        -- What the parser is to see of a text. Prose it reads as we would.
        create function readable(value text) returns text language sql immutable parallel safe return case
            when octet_length(value) = length(value) and value !~ '[-_/\:@&<~+0-9]|[.][^ ]' then value
            else with_parts(tokenized(value)) end;
    """)


def _vectors() -> None:
    op.execute(rf"""
        drop function beginnings(tsvector);
        -- '^s', '^su', '^sum' for a word, more for a number; what longer beginnings may mean, search_words tells
        create function beginnings(words tsvector) returns tsvector language sql immutable parallel safe as $$
            select coalesce(string_agg(distinct quoted('^' || left(word, size)) || '\:1', ' '), '')\:\:tsvector
            from unnest(tsvector_to_array(words)) as word, generate_series(1, 8) as size
            where length(word) > size and (size <= 3 or ascii(word) between 48 and 57)
        $$;

        -- '^连' for each syllable that a pair begins with: each may be asked for by itself
        create function syllables(words tsvector) returns tsvector language sql immutable parallel safe as $$
            select coalesce(string_agg(distinct quoted('^' || substring(word from '^{SYLLABLE}')) || '\:1', ' '), '')
                   \:\:tsvector
            from unnest(tsvector_to_array(words)) as word where word ~ '^[{DENSE}]'
        $$;

        create or replace function document_vector_of(
            title text, body text, tags text[], rest text, language text, marks text[], most integer
        ) returns tsvector language plpgsql stable parallel safe as $$
        declare
            stemming constant regconfig := 'public.folded_' || language;
            head constant text := readable(title);
            about constant text := readable(left(body, most));
            more constant text := readable(left(rest, most));
            named constant tsvector := to_tsvector('public.folded', head);
            tail constant text := readable(left(array_to_string(tags, ' '), most));
            tagged constant tsvector := to_tsvector('public.folded', tail);
            said constant text := concat_ws(' ', head, tail, about, more);
            marked constant text := (select string_agg(quoted('=' || mark) || '\:1', ' ') from unnest(marks) as mark);
            made tsvector := setweight(
                marked\:\:tsvector || named || to_tsvector(stemming, head) || beginnings(named), 'A')
                || setweight(tagged || beginnings(tagged), 'B');
        begin
            if about <> '' then
                made := made || setweight(to_tsvector('public.folded', about) || to_tsvector(stemming, about), 'B');
            end if;
            if more <> '' then
                made := made || setweight(to_tsvector('public.folded', more) || to_tsvector(stemming, more), 'D');
            end if;
            if dense(said) then
                made := made || setweight(syllables(named), 'A') || setweight(syllables(made), 'D');
            end if;
            return made;
        end $$;
    """)


def _queries() -> None:
    op.execute(rf"""
        -- the words that begin so, the shortest first
        create or replace function completions(beginning text) returns tsquery language sql stable as $$
            select coalesce(string_agg(quoted(word), ' | '), '')\:\:tsquery from (
                select '^' || beginning where length(beginning) <= case when beginning ~ '^[0-9]' then 8 else 3 end
                union all
                (select word from (
                    select word from search_words where word > beginning and word < beginning || chr(1114111)
                    order by word limit 2000
                ) as known order by length(word), word limit 32)
            ) as completed (word)
        $$;

        -- A query in web-search syntax, its words as those of documents are: what comes of one word, or of a phrase,
        -- is a phrase. Where the last word may go on, the last that came of it stands by itself.
        create function tokenized_query(asked text, typing boolean) returns text
            language plpgsql immutable parallel safe as $$
        declare
            part text[];
            phrase text;
            either text := '';
            found text := '';
        begin
            for part in select regexp_matches(asked, '(-?)("[^"]*"?|[^[\:space\:]"]+)', 'g') loop
                if part[1] = '' and lower(part[2]) = 'or' then
                    either := ' or';
                    continue;
                end if;
                phrase := btrim(regexp_replace(tokenized(part[2]), ' +', ' ', 'g'));
                continue when phrase = '';
                -- text without spaces may go on after its last pair
                phrase := regexp_replace(phrase, '({SYLLABLE}) \1$', '\1');
                if part[1] = '' then
                    phrase := regexp_replace(phrase, ' ({SYLLABLE})$', '" "\1');
                end if;
                found := concat(found, case when found <> '' then either end, ' ', part[1], '"', phrase, '"');
                either := '';
            end loop;
            return case when found = '' and either <> '' then '"or"'
                when typing then regexp_replace(found, ' ([^ "]+)"$', '" "\1"') else found end;
        end $$;

        -- A syllable by itself may stand anywhere in a text without spaces.
        create function anywhere(asked tsquery) returns tsquery language plpgsql immutable strict parallel safe as $$
        declare
            alone text[];
        begin
            if dense(asked\:\:text) then
                for alone in select distinct regexp_matches(asked\:\:text, '''({SYLLABLE})''', 'g') loop
                    asked := ts_rewrite(asked, lexeme(alone[1]), lexeme(alone[1]) || lexeme('^' || alone[1]));
                end loop;
            end if;
            return asked;
        end $$;

        -- Any of the words of a tokenized query, each syllable of a text without spaces by itself: what is marked
        -- where they are found.
        create function in_syllables(query text) returns tsquery language sql stable parallel safe
            return websearch_to_tsquery('public.folded', replace(regexp_replace(regexp_replace(regexp_replace(
                query, ' -"[^"]*"', '', 'g'),
                '({SYLLABLE})({SYLLABLE})"', '\1 \2"', 'g'),
                '({SYLLABLE}){SYLLABLE} ', '\1 ', 'g'), '" "', '" or "'));

        -- A text in which each of its words stands by itself, by marks that are not seen.
        create function separated(value text) returns text language sql immutable strict parallel safe
            return regexp_replace(value collate "pg_c_utf8", '([0-9]+|[[\:punct\:]]|{SYLLABLE})', E'\x1f\\1\x1f', 'g');

        drop function search_query(text, boolean);
        -- What a person asks for, as written in any text, and stemmed by a language in the texts of that language.
        -- `complete` has the words as they are; in `begun` the last one may go on; `ranking` orders what they find,
        -- and `shown` is marked in it. All are empty where nothing is asked for.
        create function search_query(
            asked text, typing boolean, out complete tsquery, out begun tsquery, out ranking tsquery, out shown tsquery
        ) language plpgsql stable as $$
        declare
            words constant text := tokenized_query(asked, false);
            parted constant text := tokenized_query(asked, typing);
            written constant tsquery := anywhere(websearch_to_tsquery('public.folded', words));
            ending constant tsquery := websearch_to_tsquery('public.folded', parted);
            last constant text := case when typing and parted !~ '[{DENSE}]"$' then last_word(ending) end;
            -- it may end where it does, too: a code is asked for as its words stand, of which the last is let go here
            longer constant tsquery := completions(last) || lexeme(last);
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
                begun := anywhere(ts_rewrite(ending, lexeme(last), longer));
            end if;
            for spoken in select language from search_languages order by language loop
                stemmed := anywhere(websearch_to_tsquery(('public.folded_' || spoken)\:\:regconfig, words));
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
                stemmed := websearch_to_tsquery(('public.folded_' || spoken)\:\:regconfig, parted);
                if numnode(stemmed) = numnode(ending) and numnode(stemmed) > 1 then
                    begun := begun || (lexeme('=' || spoken)
                                       && anywhere(ts_rewrite(stemmed, lexeme(last_word(stemmed)), longer)));
                end if;
            end loop;
            if position('!' in complete\:\:text) > 0 then
                complete := complete && lexeme('=all');  -- else all of the index would be read
            end if;
            shown := case when dense(words) then in_syllables(words) else ranking end;
        end $$;

        drop function forgiving_query(text);
        -- The same for words that are mistyped: each may be any that is a slip of the finger apart, and letters and
        -- numbers that were written together may stand apart.
        create function forgiving_query(
            asked text, out complete tsquery, out begun tsquery, out ranking tsquery, out shown tsquery
        ) language plpgsql stable as $$
        declare
            words constant text := tokenized_query(regexp_replace(asked, '([0-9]+)', ' \1 ', 'g'), false);
            typed text;
            meant tsquery;
        begin
            complete := anywhere(websearch_to_tsquery('public.folded', words));
            foreach typed in array tsvector_to_array(to_tsvector('public.folded', words)) loop
                select string_agg(quoted(near), ' | ')\:\:tsquery into meant from (
                    select known.word from search_words as known
                    where slips(known.word) && slips(typed)
                      and length(known.word) between 4 and 24 and known.word !~ '[0-9=^]'
                    limit 32
                ) as found (near) where length(typed) between 4 and 24 and not dense(typed);
                complete := ts_rewrite(complete, lexeme(typed), lexeme(typed) || coalesce(meant, ''));
            end loop;
            ranking := complete;
            shown := case when dense(words) then in_syllables(words) else ranking end;
        end $$;
    """)


def downgrade() -> None:
    """As it was before; a reindex makes the documents so."""
    op.execute(r"""
        drop function search_query(text, boolean);
        drop function forgiving_query(text);
        drop function separated(text);
        drop function in_syllables(text);
        drop function anywhere(tsquery);
        drop function tokenized_query(text, boolean);
        drop function syllables(tsvector);
        drop function beginnings(tsvector);
        create function beginnings(words tsvector) returns tsvector language sql immutable parallel safe as $$
            select coalesce(string_agg(distinct quoted('^' || left(word, size)) || '\:1', ' '), '')\:\:tsvector
            from unnest(tsvector_to_array(words)) as word, generate_series(1, 3) as size where length(word) > size
        $$;

        create or replace function document_vector_of(
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
        drop function readable(text);
        drop function with_parts(text);
        drop function tokenized(text);
        drop function dense(text);

        create or replace function completions(beginning text) returns tsquery language sql stable as $$
            select coalesce(string_agg(quoted(word), ' | '), '')\:\:tsquery from (
                select '^' || beginning where length(beginning) <= 3
                union all
                (select word from (
                    select word from search_words where word > beginning and word < beginning || chr(1114111)
                    order by word limit 2000
                ) as known order by length(word), word limit 32)
            ) as completed (word)
        $$;

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
    op.execute(REINDEX)
