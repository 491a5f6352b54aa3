{#-
Operational windows: exact as of each event. Events are ordered by microseconds since 1970-01-01 UTC (`epoch_us` of their
time, `occurred_us` by name), so that frames are plain integers, which both engines accept. Events at the same microsecond
see each other. Lengths are days, or texts such as '36 hours'.
-#}

{#-
The frame (t - delay - length, t - delay] of events with the same `by` as the event at t. With `before`, the event's own
instant is left out: (t - length, t).
-#}
{% macro window(by, length, delay=0, before=false, order='occurred_us') -%}
    {%- set until = '1 preceding' if before else (microseconds(delay) ~ ' preceding' if delay else 'current row') -%}
    (partition by {{ by }} order by {{ order }}
        range between {{ microseconds(length) + microseconds(delay) - 1 }} preceding and {{ until }})
{%- endmacro %}

{#- Everything up to and including the event's instant: with it, a sum of changes is the value at that instant. -#}
{% macro up_to_now(by, order='occurred_us') -%}
    (partition by {{ by }} order by {{ order }} range between unbounded preceding and current row)
{%- endmacro %}

{#-
How many labelled events of each window were known to be so, as changes over time: a labelled event at p, reported at r,
counts in (t - delay - days, t - delay] when p + delay <= t < p + delay + days, and is known when r <= t. So it adds 1 at
max(p + delay, r) and takes it back at p + delay + days.

`labelled` has the columns `by`, `order` (p) and `reported` (r), both in microseconds; `windows` are whole days. The result has
`by`, `order` and one column `known_<days>d` for each window: sum them over `up_to_now`.
-#}
{% macro known_label_changes(labelled, by, windows, delay=0, order='occurred_us', reported='reported_us') %}
    {%- set columns = [] -%}
    {%- set changes = [] -%}
    {%- for days in windows -%}
        {%- do columns.append('known_' ~ days ~ 'd') -%}
        {%- set known = 'greatest(' ~ order ~ ' + ' ~ microseconds(delay) ~ ', ' ~ reported ~ ')' -%}
        {%- set leaves = order ~ ' + ' ~ (microseconds(delay) + microseconds(days)) -%}
        {%- do changes.append([labelled, known, {columns[-1]: 1}, known ~ ' < ' ~ leaves]) -%}
        {%- do changes.append([labelled, leaves, {columns[-1]: -1}, known ~ ' < ' ~ leaves]) -%}
    {%- endfor -%}
    {{ changes_of(changes, columns, by, order) }}
{% endmacro %}

{#-
Changes over time as one query of `by`, `order` and `columns`. Each change is [relation, its place in the order, {column: what
it adds}, a predicate on the relation's rows].
-#}
{% macro changes_of(changes, columns, by, order) %}
    {%- for relation, at, added, where in changes %}
    select
        {{ by }},
        {{ at }} as {{ order }}
        {%- for column in columns %},
        {{ added.get(column, 0) }} as {{ column }}
        {%- endfor %}
    from {{ relation }}
    where {{ where }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}
