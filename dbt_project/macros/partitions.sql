{#-
Tables of partitions. An invocation builds the partitions that the environment variable ML_PLATFORM_PARTITIONS names,
separated by spaces, or at the command line `--vars '{partitions: [2024-01-31, 2024-03-01..2024-03-31]}'`; without either,
every partition there is. A model that is built in chunks (materialize_partitions.sql) sees its chunk.
-#}

{#-
Configures a model as a table of partitions: an invocation replaces exactly the partitions that it builds, in one
transaction. Call it before anything else in the model.

    events            the model, or the source as 'schema.table', whose rows say how much is built at once, and whose
                      calendar the model has
    lookback          how far before a partition it reads: days, or a text such as '36 hours'
    cadence           'hourly', 'daily' or 'weekly'; daily when not said. Coarser than that of the events, it makes a
                      calendar of its own: a week is built from its days
    instant           true for a population as of the start of each partition, which reads only what lies before it
    column            the partition column where it is not named hour (a TIMESTAMP), day or week (DATEs; a week is its Monday)
    memory_per_event  bytes that building takes for each event read, for DuckDB's chunks
-#}
{% macro replaces_partitions(events, lookback=0, cadence=none, instant=false, column=none, memory_per_event=1000) %}
    {%- set of = cadence or cadence_of_column(column) or 'daily' -%}
    {%- if of not in cadences() -%}
        {%- do exceptions.raise_compiler_error(model.name ~ ": no cadence '" ~ cadence ~ "'; there are " ~ cadences() | join(', ')) -%}
    {%- endif -%}
    {%- set partitions = {
        'events': events,
        'cadence': of,
        'instant': instant,
        'lookback_seconds': (microseconds(lookback) / 1000000) | round(0, 'ceil') | int,
        'column': column or cadences()[of].column,
        'memory_per_event': memory_per_event,
    } -%}
    {%- do model.update({'partitions': partitions}) -%}
    {#- dbt learns of the relation at its first rendering; the calendar's cadence is known once all models are. -#}
    {%- set relation = events_relation(events) -%}
    {%- if execute -%}
        {%- set calendar = partitions_of_relation(relation) -%}
        {%- set lengths = cadences() -%}
        {%- if calendar and (lengths[of].length < lengths[calendar.cadence].length or (calendar.cadence != of and not (cadence or column))) -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ ' would be ' ~ of ~ ', but ' ~ events ~ ' is ' ~ calendar.cadence
                ~ ": say replaces_partitions(…, cadence='" ~ calendar.cadence ~ "'), or a coarser one"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(adapter.dispatch('configure_partitions')(partitions)) }}
{% endmacro %}

{% macro duckdb__configure_partitions(partitions) %}
    {{ config(materialized='partitions', meta={'partitions': partitions}) }}
{% endmacro %}

{% macro bigquery__configure_partitions(partitions) %}
    {%- set hourly = partitions.cadence == 'hourly' -%}
    {%- set built = [] -%}
    {%- for start, end in built_spans(partitions.cadence) or [] -%}
        {%- for n in range((end - start) // cadences()[partitions.cadence].length) -%}
            {%- do built.append(partition_literal(start + n * cadences()[partitions.cadence].length, partitions.cadence)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='insert_overwrite',
        partition_by={
            'field': partitions.column,
            'data_type': 'timestamp' if hourly else 'date',
            'granularity': 'hour' if hourly else 'day',
        },
        partitions=built or none,
        on_schema_change='append_new_columns',
        meta={'partitions': partitions},
    ) }}
{% endmacro %}

{#-
A predicate. `built_partitions()` is of the model's own rows: the row's partition is built. With arguments it is of the rows
that the built partitions read, [start - lookback, end) of each, or [start - lookback, start) in a model that is `instant`.

    lookback   days, or a text such as '36 hours'
    column     the partition column of the relation read, whose name (hour, day, week) says its cadence, whatever that of the
               model; when not given, the one that the model has as well
    cadence    the column's cadence, when its name does not say it
-#}
{% macro built_partitions(lookback=0, column=none, cadence=none) %}
    {%- set own = partitions_of_model() -%}
    {%- set of = cadence or (cadence_of_column(column) if column else own.cadence) -%}
    {%- if not of -%}
        {%- do exceptions.raise_compiler_error(model.name ~ ": the name of '" ~ column ~ "' does not say its cadence; add cadence='daily', or the one that it has") -%}
    {%- endif -%}
    {%- set built = built_spans(own.cadence) if execute else none -%}
    {%- if built is none -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set earlier = modules.datetime.timedelta(microseconds=microseconds(lookback)) -%}
    {%- set instants = own.instant and (column or lookback) -%}
    {%- set spans = [] -%}
    {%- for start, end in built -%}
        {%- if instants -%}
            {%- for n in range((end - start) // cadences()[own.cadence].length) -%}
                {%- set instant = start + n * cadences()[own.cadence].length -%}
                {%- do spans.append([instant - earlier, instant]) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do spans.append([start - earlier, end]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(in_spans(spans, column or own.column, of)) }}
{% endmacro %}

{#-
A query of the partitions that are built, one row each, in a column named like the model's partition column: what a
population is joined to that has no events of its own.
-#}
{% macro partition_spine() %}
    {%- set own = partitions_of_model() -%}
    {%- set kind = cadences()[own.cadence] -%}
    {%- set spans = built_spans(own.cadence) if execute else [] -%}
    {%- if spans is none -%}
        {{ series(own.column, 'bounds.first_built', 'bounds.last_built', kind.hours, bounds_of_events()) }}
    {%- else -%}
        {%- for start, end in spans or [2 * [modules.datetime.datetime(1970, 1, 1)]] -%}
            {{ 'union all ' if not loop.first }}
            {{- series(own.column, partition_literal(start, own.cadence), partition_literal(end - kind.length, own.cadence), kind.hours) }}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- The first and the last partition of the model for which there are events, as the relation `bounds`. -#}
{% macro bounds_of_events() %}
    {%- set own = partitions_of_model() -%}
    {%- set relation = events_relation(own.events) -%}
    {%- set calendar = partitions_of_events() -%}
    {%- set moment = calendar.column if calendar.cadence == 'hourly' else midnight(calendar.column) -%}
    {%- set first, last = 'min(' ~ moment ~ ')', 'max(' ~ moment ~ ')' -%}
    {%- if own.instant -%}
        {#- An instant has the events before it, and exists when they reach it. -#}
        {%- set first = hours_after(first, cadences()[own.cadence].hours) -%}
        {%- set last = hours_after(last, cadences()[calendar.cadence].hours) -%}
    {%- endif -%}
    (
        select {{ partition_of(first, own.cadence) }} as first_built, {{ partition_of(last, own.cadence) }} as last_built
        from {{ relation }}
    ) as bounds
{% endmacro %}

{#- The spans of the partitions of a cadence that are built, in order and apart; none builds every partition. -#}
{% macro built_spans(cadence) %}
    {%- if model.get('chunk') -%}
        {{ return(model.chunk) }}
    {%- endif -%}
    {%- set keys = var('partitions', none) or env_var('ML_PLATFORM_PARTITIONS', '') -%}
    {%- set spans = [] -%}
    {%- for key in ((keys | string).split() if keys is string or keys is not iterable else keys) -%}
        {%- do spans.append(span_of_key(key, cadence)) -%}
    {%- endfor -%}
    {{ return(merged_spans(spans) if spans else none) }}
{% endmacro %}

{#- A predicate: the partition of `cadence` in `column` overlaps one of the spans. -#}
{% macro in_spans(spans, column, cadence) %}
    {%- set length = cadences()[cadence].length -%}
    {%- set whole = [] -%}
    {%- for start, end in spans if start < end -%}
        {%- set last = partition_start(end - modules.datetime.timedelta(microseconds=1), cadence) -%}
        {%- do whole.append([partition_start(start, cadence), last + length]) -%}
    {%- endfor -%}
    {%- set predicates = [] -%}
    {%- for start, end in merged_spans(whole) -%}
        {%- do predicates.append(column ~ ' between ' ~ partition_literal(start, cadence) ~ ' and ' ~ partition_literal(end - length, cadence)) -%}
    {%- endfor -%}
    {{ return('(' ~ (predicates | join(' or ') or 'false') ~ ')') }}
{% endmacro %}
