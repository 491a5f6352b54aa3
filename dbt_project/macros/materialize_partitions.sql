{#-
A table of days on DuckDB. One transaction deletes the days being built and inserts them again, so that a reader, or whoever
comes after a crash, sees all of the old rows or all of the new. Days are built in chunks of about `chunk_rows` events,
because window functions hold what they read in memory.
-#}
{% materialization partitions, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

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
        {%- do log(this.schema ~ '.' ~ this.name ~ ': ' ~ chunk | join(', ') ~ ' (' ~ loop.index ~ ' of ' ~ chunks | length ~ ')', info=true) -%}
        {%- do model.update({'chunk': chunk}) -%}
        {%- call statement('insert') -%}
            insert into {{ target_relation }} by name ({{ render(model.raw_code) }}) order by day
        {%- endcall -%}
    {%- endfor -%}
    {%- do model.update({'chunk': none}) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#-
The days being built, split into chunks: lists of `first..last`. A chunk ends where it has `chunk_rows` events, but not
before it spans half as many days again as it must read besides its own, or reading those would cost more than memory
does; and where a gap makes it cheaper to begin anew.
-#}
{% macro partition_chunks() %}
    {%- set meta = config.get('meta') -%}
    {%- set counts = run_query(
        'select day, count(*) from ' ~ ref(meta.events) ~ ' where ' ~ built_partitions() ~ ' group by day order by day'
    ).rows -%}
    {%- set ranges = built_ranges() -%}
    {%- if ranges is none -%}
        {%- set ranges = [[counts[0][0], counts[-1][0]]] if counts else [] -%}
    {%- endif -%}
    {%- set limit = var('chunk_rows', 2000000) -%}
    {%- set one_day = modules.datetime.timedelta(days=1) -%}
    {%- set chunks = [] -%}
    {%- set open = namespace(spans=[], first=none, last=none, rows=0) -%}
    {%- for first, last in ranges -%}
        {%- if open.spans and (first - open.last).days > meta.lookback_days -%}
            {%- do chunks.append(open.spans) -%}
            {%- set open.spans = [] -%}
        {%- endif -%}
        {%- if not open.spans -%}
            {%- set open.first = first -%}
            {%- set open.rows = 0 -%}
        {%- endif -%}
        {%- set open.start = first -%}
        {%- for day, rows in counts if first <= day <= last -%}
            {%- if open.rows + rows > limit and (day - open.first).days > 1.5 * meta.lookback_days -%}
                {%- if day > open.start -%}
                    {%- do open.spans.append(open.start ~ '..' ~ (day - one_day)) -%}
                {%- endif -%}
                {%- do chunks.append(open.spans) -%}
                {%- set open.spans = [] -%}
                {%- set open.first = day -%}
                {%- set open.start = day -%}
                {%- set open.rows = 0 -%}
            {%- endif -%}
            {%- set open.rows = open.rows + rows -%}
        {%- endfor -%}
        {%- do open.spans.append(open.start ~ '..' ~ last) -%}
        {%- set open.last = last -%}
    {%- endfor -%}
    {%- if open.spans -%}
        {%- do chunks.append(open.spans) -%}
    {%- endif -%}
    {{ return(chunks) }}
{% endmacro %}
