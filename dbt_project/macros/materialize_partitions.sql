{#-
A table of partitions on DuckDB. One transaction deletes the partitions being built and inserts them again, so that a reader, or whoever
comes after a crash, sees all of the old rows or all of the new. They are built in chunks of about `chunk_rows` events,
because window functions hold what they read in memory.
-#}
{% materialization partitions, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set chunks = partition_chunks() -%}
    {%- set column = {'hourly': 'hour', 'daily': 'day', 'weekly': 'week'}[built_cadence()] -%}

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
            delete from {{ target_relation }} where {{ built_partitions(column=column) }}
        {%- endcall -%}
    {%- endif -%}

    {%- for chunk in chunks -%}
        {%- do log(this.schema ~ '.' ~ this.name ~ ': ' ~ (chunk or ['everything']) | join(', ') ~ ' (' ~ loop.index ~ ' of ' ~ chunks | length ~ ')', info=true) -%}
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
The partitions being built, split into chunks: lists of `first..last`. A chunk ends where it has `chunk_rows` events, but not
before it spans half as many days again as it must read besides its own, or reading those would cost more than memory
does; and where a gap makes it cheaper to begin anew. What is made less often than its events is built in one.
-#}
{% macro partition_chunks() %}
    {%- set declared = config.get('meta').partitions -%}
    {%- set form = '%Y-%m-%dT%H' if built_cadence() == 'hourly' else '%Y-%m-%d' -%}
    {%- set ranges = built_ranges() -%}
    {%- if declared.cadence -%}
        {%- if ranges is none -%}{{ return([none]) }}{%- endif -%}
        {%- set whole = [] -%}
        {%- for first, last in ranges -%}
            {%- do whole.append(first.strftime(form) ~ '..' ~ last.strftime(form)) -%}
        {%- endfor -%}
        {{ return([whole]) }}
    {%- endif -%}
    {%- set column = {'hourly': 'hour', 'daily': 'day', 'weekly': 'week'}[built_cadence()] -%}
    {%- set counts = [] -%}
    {%- for moment, rows in run_query(
        'select cast(' ~ column ~ ' as timestamp), count(*) from ' ~ ref(declared.events)
        ~ ' where ' ~ built_partitions(column=column) ~ ' group by 1 order by 1'
    ).rows -%}
        {%- do counts.append([moment.replace(tzinfo=none), rows]) -%}
    {%- endfor -%}
    {%- if ranges is none -%}
        {%- set ranges = [[counts[0][0], counts[-1][0]]] if counts else [] -%}
    {%- endif -%}
    {%- set limit = var('chunk_rows', 2000000) -%}
    {%- set step = cadence_length(built_cadence()) -%}
    {%- set lookback = modules.datetime.timedelta(seconds=declared.lookback_seconds) -%}
    {%- set chunks = [] -%}
    {%- set open = namespace(spans=[], first=none, last=none, rows=0) -%}
    {%- for first, last in ranges -%}
        {%- if open.spans and (first - open.last) > lookback -%}
            {%- do chunks.append(open.spans) -%}
            {%- set open.spans = [] -%}
        {%- endif -%}
        {%- if not open.spans -%}
            {%- set open.first = first -%}
            {%- set open.rows = 0 -%}
        {%- endif -%}
        {%- set open.start = first -%}
        {%- for moment, rows in counts if first <= moment <= last -%}
            {%- if open.rows + rows > limit and (moment - open.first) > 1.5 * lookback -%}
                {%- if moment > open.start -%}
                    {%- do open.spans.append(open.start.strftime(form) ~ '..' ~ (moment - step).strftime(form)) -%}
                {%- endif -%}
                {%- do chunks.append(open.spans) -%}
                {%- set open.spans = [] -%}
                {%- set open.first = moment -%}
                {%- set open.start = moment -%}
                {%- set open.rows = 0 -%}
            {%- endif -%}
            {%- set open.rows = open.rows + rows -%}
        {%- endfor -%}
        {%- do open.spans.append(open.start.strftime(form) ~ '..' ~ last.strftime(form)) -%}
        {%- set open.last = last -%}
    {%- endfor -%}
    {%- if open.spans -%}
        {%- do chunks.append(open.spans) -%}
    {%- endif -%}
    {{ return(chunks) }}
{% endmacro %}
