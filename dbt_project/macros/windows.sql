{#-
Operational windows: exact as of each event. Events have `occurred_us`, microseconds since 1970-01-01 UTC, so that frames
are plain integers, which both engines accept. Events at the same microsecond see each other.
-#}
{% macro day_us() %}{{ return(86400000000) }}{% endmacro %}

{#-
The frame (t - delay - days, t - delay] of events with the same `by` as the event at t. With `before`, the event's own
instant is left out: (t - days, t).
-#}
{% macro window(by, days, delay_days=0, before=false) -%}
    {%- set until = '1 preceding' if before else (delay_days * day_us() ~ ' preceding' if delay_days else 'current row') -%}
    (partition by {{ by }} order by occurred_us
        range between {{ (days + delay_days) * day_us() - 1 }} preceding and {{ until }})
{%- endmacro %}

{#- Everything up to and including the event's instant: with it, a sum of changes is the value at that instant. -#}
{% macro up_to_now(by, order='occurred_us') -%}
    (partition by {{ by }} order by {{ order }} range between unbounded preceding and current row)
{%- endmacro %}

{#-
How many labelled events of each window were known to be so, as changes over time: a labelled event at p, reported at r,
counts in (t - delay - days, t - delay] when p + delay <= t < p + delay + days, and is known when r <= t. So it adds 1 at
max(p + delay, r) and takes it back at p + delay + days. `labelled` has `by`, `occurred_us` and `reported_us`.
The result has `by`, `occurred_us` and one column `known_<days>d` for each window.
-#}
{% macro known_label_changes(labelled, by, windows, delay_days) %}
    {%- for days in windows %}
        {%- set leaves = 'occurred_us + ' ~ (delay_days + days) * day_us() %}
        {%- set known = 'greatest(occurred_us + ' ~ delay_days * day_us() ~ ', reported_us)' %}
        {%- for at, change in [(known, 1), (leaves, -1)] %}
    select
        {{ by }},
        {{ at }} as occurred_us
            {%- for other in windows %},
        {{ change if other == days else 0 }} as known_{{ other }}d
            {%- endfor %}
    from {{ labelled }}
    where {{ known }} < {{ leaves }}
    {{ 'union all' if not loop.last }}
        {%- endfor %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}
