{#-
The partitions that an invocation builds: `--vars '{partitions: [2024-01-31, 2024-03-01..2024-03-31]}'`, each a key or an
inclusive range of keys: days `2024-03-01`, hours `2024-03-01T13`, weeks by their Monday. Without the variable, every partition
there is. A model being built in chunks (the `partitions` materialization) sees its chunk.

A partition column is named for its cadence: `hour` is a TIMESTAMP, `day` and `week` are DATEs.
-#}

{#- Cadence of a partition column, by its name; of an expression it must be said. -#}
{% macro cadence_of(column) %}
    {%- set name = (column | string).split('.')[-1] | lower -%}
    {{ return('hourly' if 'hour' in name else 'weekly' if 'week' in name else 'daily') }}
{% endmacro %}

{#- Cadence of the model being built: declared by replaces_partitions, else that of the keys. -#}
{% macro built_cadence() %}
    {%- set declared = (config.get('meta') or {}).get('partitions') or {} -%}
    {%- if declared.get('cadence') -%}{{ return(declared.cadence) }}{%- endif -%}
    {%- set keys = built_keys() or [] -%}
    {{ return('hourly' if keys and 'T' in keys[0] else 'daily') }}
{% endmacro %}

{% macro built_keys() %}
    {{ return(model.get('chunk') or var('partitions', none) or env_var('ML_PLATFORM_PARTITIONS', '').split() or none) }}
{% endmacro %}

{% macro cadence_length(cadence) %}
    {%- set hours = {'hourly': 1, 'daily': 24, 'weekly': 168} -%}
    {{ return(modules.datetime.timedelta(hours=hours[cadence])) }}
{% endmacro %}

{#- Ranges [start, start of the last] of datetimes, ascending and disjoint; none means everything. -#}
{% macro built_ranges() %}
    {%- set keys = built_keys() -%}
    {%- if not keys -%}{{ return(none) }}{%- endif -%}
    {%- set spans = [] -%}
    {%- for item in keys -%}
        {%- set ends = (item | string).split('..') -%}
        {%- set found = [] -%}
        {%- for end in [ends[0], ends[-1]] -%}
            {%- do found.append(modules.datetime.datetime.fromisoformat(end if 'T' not in end else end ~ ':00')) -%}
        {%- endfor -%}
        {%- do spans.append(found) -%}
    {%- endfor -%}
    {%- set length = cadence_length(built_cadence()) -%}
    {%- set ranges = [] -%}
    {%- for span in spans | sort -%}
        {%- if ranges and span[0] - ranges[-1][1] <= length -%}
            {%- set previous = ranges.pop() -%}
            {%- do ranges.append([previous[0], [previous[1], span[1]] | max]) -%}
        {%- else -%}
            {%- do ranges.append(span) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(ranges) }}
{% endmacro %}

{#-
A predicate on a partition column: the row's partition overlaps what is built, or the `lookback` days before it. The column may be
of another cadence than the model's: each built partition covers [start - lookback, end), and only what lies before its start when
the model is a population as of an instant.
-#}
{% macro built_partitions(lookback=0, column='day', cadence=none) %}
    {%- set ranges = built_ranges() -%}
    {%- if ranges is none -%}{{ return('true') }}{%- endif -%}
    {%- set own = built_cadence() -%}
    {%- set of_column = cadence or cadence_of(column) -%}
    {%- set instant = ((config.get('meta') or {}).get('partitions') or {}).get('instant') -%}
    {%- set before = modules.datetime.timedelta(days=lookback) -%}
    {%- set conditions = [] -%}
    {%- for first, last in ranges -%}
        {%- if of_column == own -%}
            {%- do conditions.append(column ~ ' between ' ~ partition_literal(first - before, of_column) ~ ' and ' ~ partition_literal(last, of_column)) -%}
        {%- else -%}
            {%- set end = last if instant else last + cadence_length(own) -%}
            {%- do conditions.append(column ~ ' > ' ~ partition_literal(first - before - cadence_length(of_column), of_column)
                ~ ' and ' ~ column ~ ' < ' ~ partition_literal(end + cadence_length('daily') - modules.datetime.timedelta(microseconds=1) if of_column != 'hourly' else end, of_column)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')') }}
{% endmacro %}

{#- A moment as the literal of a partition column. -#}
{% macro partition_literal(moment, cadence) %}
    {%- if cadence == 'hourly' -%}
        {{ return("timestamp '" ~ moment.strftime('%Y-%m-%d %H:%M:%S') ~ "+00:00'" if target.type == 'bigquery' else "timestamptz '" ~ moment.strftime('%Y-%m-%d %H:%M:%S') ~ "+00:00'") }}
    {%- endif -%}
    {{ return("date '" ~ moment.strftime('%Y-%m-%d') ~ "'") }}
{% endmacro %}

{#-
Configures a model as a table of partitions: an invocation replaces exactly those that it builds, in one transaction.

`events`    the model (or source table) whose partitions these follow, and whose rows decide how many are built at once.
`lookback`  how many days of its inputs before its own a partition reads; may be a fraction.
`cadence`   hourly, daily or weekly, when it is another than that of `events`.
`instant`   true: a partition holds a population as of its start, and reads only what lies before.
-#}
{% macro replaces_partitions(events, lookback, cadence=none, instant=false) %}
    {{ return(adapter.dispatch('replaces_partitions')(events, lookback, cadence, instant)) }}
{% endmacro %}

{% macro partitions_meta(events, lookback, cadence, instant) %}
    {{ return({'events': events, 'cadence': cadence, 'instant': instant, 'lookback_seconds': lookback * 86400}) }}
{% endmacro %}

{% macro duckdb__replaces_partitions(events, lookback, cadence, instant) %}
    {{ config(materialized='partitions', meta={'partitions': partitions_meta(events, lookback, cadence, instant)}) }}
{% endmacro %}

{% macro bigquery__replaces_partitions(events, lookback, cadence, instant) %}
    {%- set partitions = [] -%}
    {%- set own = cadence or built_cadence() -%}
    {%- set step = cadence_length(own) -%}
    {%- for first, last in built_ranges() or [] -%}
        {%- set at = namespace(moment=first) -%}
        {%- for n in range(((last - first) / step) | int + 1) -%}
            {%- do partitions.append(partition_literal(first + n * step, own)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set column = {'hourly': 'hour', 'daily': 'day', 'weekly': 'week'}[own] -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='insert_overwrite',
        partition_by={'field': column, 'data_type': 'timestamp', 'granularity': 'hour'} if own == 'hourly' else {'field': column, 'data_type': 'date'},
        partitions=partitions or none,
        on_schema_change='append_new_columns',
        meta={'partitions': partitions_meta(events, lookback, cadence, instant)},
    ) }}
{% endmacro %}
