{#-
The days that an invocation builds: `--vars '{partitions: [2024-01-31, 2024-03-01..2024-03-31]}'`, each a day or an inclusive
range. Without the variable, every day there is. A model being built in chunks (the `partitions` materialization) sees its chunk.
-#}

{#- Ranges [first, last] of dates, ascending and disjoint, each begun `lookback` days earlier; none means every day. -#}
{% macro built_ranges(lookback=0) %}
    {%- set days = model.get('chunk') or var('partitions', none) or env_var('ML_PLATFORM_PARTITIONS', '').split() -%}
    {%- if not days -%}{{ return(none) }}{%- endif -%}
    {%- set date = modules.datetime.date -%}
    {%- set spans = [] -%}
    {%- for item in days -%}
        {%- set ends = (item | string).split('..') -%}
        {%- set first = date.fromisoformat(ends[0]) - modules.datetime.timedelta(days=lookback) -%}
        {%- do spans.append([first, date.fromisoformat(ends[-1])]) -%}
    {%- endfor -%}
    {%- set ranges = [] -%}
    {%- for span in spans | sort -%}
        {%- if ranges and (span[0] - ranges[-1][1]).days <= 1 -%}
            {%- set previous = ranges.pop() -%}
            {%- do ranges.append([previous[0], [previous[1], span[1]] | max]) -%}
        {%- else -%}
            {%- do ranges.append(span) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(ranges) }}
{% endmacro %}

{#- A predicate: the row's day is built, or lies within `lookback` days before one that is. -#}
{% macro built_partitions(lookback=0, column='day') %}
    {%- set ranges = built_ranges(lookback) -%}
    {%- if ranges is none -%}
        true
    {%- else -%}
        (
        {%- for first, last in ranges -%}
            {{ column }} between date '{{ first }}' and date '{{ last }}'{{ ' or ' if not loop.last }}
        {%- endfor -%}
        )
    {%- endif -%}
{% endmacro %}

{#-
Configures a model as a table of days: an invocation replaces exactly the days it builds, in one transaction.
`events` names the model whose rows decide how many days are built at once; `lookback_days` is how many earlier days of
its inputs a day reads.
-#}
{% macro replaces_partitions(events, lookback_days) %}
    {{ return(adapter.dispatch('replaces_partitions')(events, lookback_days)) }}
{% endmacro %}

{% macro duckdb__replaces_partitions(events, lookback_days) %}
    {{ config(materialized='partitions', meta={'events': events, 'lookback_days': lookback_days}) }}
{% endmacro %}

{% macro bigquery__replaces_partitions(events, lookback_days) %}
    {%- set partitions = [] -%}
    {%- for first, last in built_ranges() or [] -%}
        {%- for n in range((last - first).days + 1) -%}
            {%- do partitions.append("date '" ~ (first + modules.datetime.timedelta(days=n)) ~ "'") -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='insert_overwrite',
        partition_by={'field': 'day', 'data_type': 'date'},
        partitions=partitions or none,
        on_schema_change='append_new_columns',
        meta={'events': events, 'lookback_days': lookback_days},
    ) }}
{% endmacro %}
