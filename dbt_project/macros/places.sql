{#-
The places of an entity over time: one row for each change, valid for days in [day, valid_until). A day that says
nothing new adds no row, so that whole files delivered every day cost no more than one.
-#}
{% macro places(entity, relation) %}
with daily as (
    select
        {{ entity }},
        x,
        y,
        day,
        row_number() over (partition by {{ entity }}, day order by x is null, x, y is null, y) as nth
    from {{ relation }}
),

compared as (
    select
        {{ entity }},
        x,
        y,
        day,
        lag(day) over (partition by {{ entity }} order by day) as previous_day,
        lag(x) over (partition by {{ entity }} order by day) as previous_x,
        lag(y) over (partition by {{ entity }} order by day) as previous_y
    from daily
    where nth = 1
),

changes as (
    select
        {{ entity }},
        x,
        y,
        day
    from compared
    where previous_day is null or x is distinct from previous_x or y is distinct from previous_y
)

select
    {{ entity }},
    x,
    y,
    day,
    coalesce(lead(day) over (partition by {{ entity }} order by day), date '9999-12-31') as valid_until
from changes
{% endmacro %}
