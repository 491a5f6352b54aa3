{#-
Hours, days and weeks: their lengths, the columns that hold them, and the keys that name them. In Jinja a moment is a
datetime without a zone, in UTC, and a span [start, end) is half open.
-#}

{#- Cadence to the column that holds its partitions, the type of that column, and how long a partition is. -#}
{% macro cadences() %}
    {{ return({
        'hourly': {'column': 'hour', 'type': 'timestamp', 'hours': 1, 'length': modules.datetime.timedelta(hours=1)},
        'daily': {'column': 'day', 'type': 'date', 'hours': 24, 'length': modules.datetime.timedelta(days=1)},
        'weekly': {'column': 'week', 'type': 'date', 'hours': 168, 'length': modules.datetime.timedelta(days=7)},
    }) }}
{% endmacro %}

{#- The cadence whose partitions a column of this name holds (`event.day`: daily); none for any other column. -#}
{% macro cadence_of_column(column) %}
    {%- for cadence, kind in cadences().items() if (column or '').split('.')[-1] == kind.column -%}
        {{ return(cadence) }}
    {%- endfor -%}
    {{ return(none) }}
{% endmacro %}

{#-
Whole microseconds of a length of time: a number of days, which may have a fraction, or a text such as '36 hours'
('seconds', 'minutes', 'hours', 'days', 'weeks').
-#}
{% macro microseconds(length) %}
    {%- set units = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800} -%}
    {%- set amount, unit = length, 'day' -%}
    {%- if length is string -%}
        {%- set words = modules.re.fullmatch('([0-9]+(?:[.][0-9]+)?) (second|minute|hour|day|week)s?', length) -%}
        {%- if not words -%}
            {%- do exceptions.raise_compiler_error("'" ~ length ~ "' is no length of time; write a number of days, or a text such as '36 hours'") -%}
        {%- endif -%}
        {%- set amount, unit = words.group(1) | float, words.group(2) -%}
    {%- endif -%}
    {{ return((amount * units[unit] * 1000000) | round | int) }}
{% endmacro %}

{#- The moment at which the partition with `moment` begins; weeks begin on Mondays. -#}
{% macro partition_start(moment, cadence) %}
    {%- if cadence == 'hourly' -%}
        {{ return(moment.replace(minute=0, second=0, microsecond=0)) }}
    {%- endif -%}
    {%- set midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) -%}
    {%- set days = midnight.weekday() if cadence == 'weekly' else 0 -%}
    {{ return(midnight - modules.datetime.timedelta(days=days)) }}
{% endmacro %}

{#- A partition in SQL, as its column holds it: a TIMESTAMP for hours, a DATE for days and weeks. -#}
{% macro partition_literal(start, cadence) %}
    {%- if cadence == 'hourly' -%}
        {{ return(timestamp_literal(start)) }}
    {%- endif -%}
    {{ return("date '" ~ start.date() ~ "'") }}
{% endmacro %}

{#- The partition that a TIMESTAMP of SQL lies in, as its column holds it. -#}
{% macro partition_of(timestamp, cadence) %}
    {%- if cadence == 'hourly' -%}
        {{ return(utc_hour(timestamp)) }}
    {%- endif -%}
    {{ return(utc_week(timestamp) if cadence == 'weekly' else utc_date(timestamp)) }}
{% endmacro %}

{#- Spans in order, those that overlap or touch as one. -#}
{% macro merged_spans(spans) %}
    {%- set merged = [] -%}
    {%- for start, end in spans | sort -%}
        {%- if merged and start <= merged[-1][1] -%}
            {%- set previous = merged.pop() -%}
            {%- do merged.append([previous[0], [previous[1], end] | max]) -%}
        {%- else -%}
            {%- do merged.append([start, end]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(merged) }}
{% endmacro %}

{#-
The span of whole partitions of `cadence` that a key, or an inclusive range `a..b` of keys, touches. A key is a day
(2024-03-01) or an hour (2024-03-01T13): to a weekly model a day names its week, to an hourly one its 24 hours.
-#}
{% macro span_of_key(key, cadence) %}
    {%- set starts = [] -%}
    {%- for text in (key | string).split('..') -%}
        {%- if loop.index > 2 or not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2})?', text) -%}
            {%- do exceptions.raise_compiler_error("'" ~ key ~ "' names no partitions; write 2024-03-01, 2024-03-01T13, or a range of such as a..b") -%}
        {%- endif -%}
        {%- do starts.append(modules.datetime.datetime.fromisoformat(text)) -%}
    {%- endfor -%}
    {%- set first = partition_start(starts[0], cadence) -%}
    {%- set hours = 0 if 'T' in (key | string).split('..')[-1] else 23 -%}
    {%- set last = partition_start(starts[-1] + modules.datetime.timedelta(hours=hours), cadence) -%}
    {%- if last < first -%}
        {%- do exceptions.raise_compiler_error("'" ~ key ~ "' ends before it begins") -%}
    {%- endif -%}
    {{ return([first, last + cadences()[cadence].length]) }}
{% endmacro %}
