{#-
A table of partitions on DuckDB. One transaction deletes the partitions being built and inserts them again, so that a reader,
or whoever comes after a crash, sees all of the old rows or all of the new. They are built in chunks, because window functions
hold what they read in memory.
-#}
{% materialization partitions, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set column = config.get('meta').partitions.column -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set chunks = partition_chunks() -%}

    {%- call statement('columns') -%}
        create or replace temporary table partitions_columns as select * from ({{ sql }}) limit 0
    {%- endcall -%}
    {%- set columns = api.Relation.create(identifier='partitions_columns', type='table') -%}

    {%- if existing is none or existing.is_view or should_full_refresh() -%}
        {%- if existing -%}
            {%- call statement('drop_existing') -%} drop {{ existing.type }} {{ existing }} {%- endcall -%}
        {%- endif -%}
        {#- Not `create table as`: rows that DuckDB 2.0 inserts in the same transaction are then not found again. -#}
        {%- call statement('main') -%}
            create table {{ target_relation }} (
            {%- for column in adapter.get_columns_in_relation(columns) -%}
                {{ column.quoted }} {{ column.data_type }}{{ ', ' if not loop.last }}
            {%- endfor -%}
            )
        {%- endcall -%}
    {%- else -%}
        {%- do process_schema_changes('sync_all_columns', columns, target_relation) -%}
        {%- call statement('main') -%}
            delete from {{ target_relation }} where {{ built_partitions() }}
        {%- endcall -%}
    {%- endif -%}

    {%- for chunk in chunks -%}
        {%- set shown = [] -%}
        {%- for start, end in chunk -%}
            {%- do shown.append(start ~ ' to ' ~ end) -%}
        {%- endfor -%}
        {%- do log(this.schema ~ '.' ~ this.name ~ ': ' ~ shown | join(', ') ~ ' (' ~ loop.index ~ ' of ' ~ chunks | length ~ ')', info=true) -%}
        {%- do model.update({'chunk': chunk}) -%}
        {%- call statement('insert') -%}
            insert into {{ target_relation }} by name ({{ render(model.raw_code) }}) order by {{ column }}
        {%- endcall -%}
    {%- endfor -%}
    {%- do model.update({'chunk': none}) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#-
Rows of the events that the built partitions read, as {'counts': [[start, rows], …] by the model's own partitions, in order and
with those before the first that is built, 'until': the end of the last partition that can be built}.
-#}
{% macro count_events() %}
    {%- set own = partitions_of_model() -%}
    {%- set length = cadences()[own.cadence].length -%}
    {%- set relation = events_relation(own.events) -%}
    {%- set calendar = partitions_of_events() -%}
    {%- set found = run_query(
        'select cast(' ~ calendar.column ~ ' as varchar), count(*) from ' ~ relation ~ ' where ' ~ calendar.column ~ ' is not null and '
        ~ built_partitions(own.lookback_seconds ~ ' seconds', calendar.column, calendar.cadence) ~ ' group by 1 order by 1'
    ).rows -%}
    {%- set counts = {} -%}
    {%- set last = namespace(moment=none) -%}
    {%- for text, rows in found -%}
        {%- set last.moment = modules.datetime.datetime.fromisoformat((text | string)[:13]) -%}
        {#- An instant has the events before it. -#}
        {%- set start = partition_start(last.moment, own.cadence) + (length if own.instant else length * 0) -%}
        {%- do counts.update({start: counts.get(start, 0) + rows | int}) -%}
    {%- endfor -%}
    {%- set reached = last.moment + (cadences()[calendar.cadence].length if own.instant else length * 0) if found else none -%}
    {{ return({'counts': counts.items() | list, 'until': partition_start(reached, own.cadence) + length if found else none}) }}
{% endmacro %}

{#- How many events may be read at once, for building them to fit into the memory that DuckDB may use. -#}
{% macro events_in_memory() %}
    {%- set memory = run_query("select parse_formatted_bytes(current_setting('memory_limit'))").rows[0][0] | int -%}
    {{ return(memory // partitions_of_model().memory_per_event) }}
{% endmacro %}

{#- Events of the partitions in [first, end). -#}
{% macro events_between(counts, first, end) %}
    {%- set total = namespace(events=0) -%}
    {%- for start, events in counts if first <= start < end -%}
        {%- set total.events = total.events + events -%}
    {%- endfor -%}
    {{ return(total.events) }}
{% endmacro %}

{#-
The partitions being built, split into chunks: lists of spans. A chunk ends where what it reads would take more than the memory,
but not before it spans half as many partitions again as it must read besides its own: reading those again would cost more
than the files to which DuckDB takes what its memory does not hold. From four times the memory on a third of that will do.
A chunk also ends where a gap makes it cheaper to begin anew.
-#}
{% macro partition_chunks() %}
    {%- set own = partitions_of_model() -%}
    {%- set length = cadences()[own.cadence].length -%}
    {%- set lookback = modules.datetime.timedelta(seconds=own.lookback_seconds) -%}
    {%- set found = count_events() -%}
    {%- set counts = found.counts -%}
    {%- set spans = built_spans(own.cadence) -%}
    {%- if spans is none -%}
        {%- set spans = [[counts[0][0], found.until]] if counts else [] -%}
    {%- endif -%}
    {%- set limit = var('chunk_events', none) or events_in_memory() -%}
    {%- set chunks = [] -%}
    {%- set open = namespace(spans=[], first=none, last=none, events=0) -%}
    {%- for first, end in spans -%}
        {%- if open.spans and first - open.last > lookback -%}
            {%- do chunks.append(open.spans) -%}
            {%- set open.spans = [] -%}
        {%- endif -%}
        {%- if open.spans -%}
            {%- set open.events = open.events + events_between(counts, open.last, first) -%}
        {%- else -%}
            {%- set open.first = first -%}
            {%- set open.events = events_between(counts, first - lookback, first) -%}
        {%- endif -%}
        {%- set open.start = first -%}
        {%- for start, events in counts if first <= start < end -%}
            {%- set more = open.events + events -%}
            {%- if more > limit and start > open.first and start - open.first > lookback * (0.5 if more > 4 * limit else 1.5) -%}
                {%- if start > open.start -%}
                    {%- do open.spans.append([open.start, start]) -%}
                {%- endif -%}
                {%- do chunks.append(open.spans) -%}
                {%- set open.spans = [] -%}
                {%- set open.first = start -%}
                {%- set open.start = start -%}
                {%- set open.events = events_between(counts, start - lookback, start) -%}
            {%- endif -%}
            {%- set open.events = open.events + events -%}
        {%- endfor -%}
        {%- do open.spans.append([open.start, end]) -%}
        {%- set open.last = end -%}
    {%- endfor -%}
    {%- if open.spans -%}
        {%- do chunks.append(open.spans) -%}
    {%- endif -%}
    {{ return(chunks) }}
{% endmacro %}
