{#-
One row an entity a day, for every day on which it has an event in the longest window up to that day's end. Windows are
whole UTC days: 30d of day d is d - 29 to d. A daily model reads its events `lookback` days back, one less than the longest.

    events     the relation: one row an event, with the columns named below and its UTC date in `day`
    entity     the column that rows are made for
    windows    lengths of the windows in days, such as [7, 30]
    time       the column of the event's time
    measured   an integer column that is summed, exactly; sums of integers do not depend on the order of their terms
    counted    a column whose distinct values are counted, such as the other side of the event
    reports    a relation of events reported later, each once, with the report's UTC date in `day`: those are counted that
               were reported by the day's end
    id         the column that events and reports are joined by
    counts     those of the windows over which `counted` and `reports` are counted; all when not given

Columns: entity, day, last_at (time of the last event), and for each window w events_<w>d; with `measured` sum_<w>d and
squares_<w>d (the sum of the squares), with `counted` counted_<w>d, with `reports` reported_<w>d.
-#}
{% macro entity_days(events, entity, windows, time='occurred_at', measured=none, counted=none, reports=none, id=none, counts=none) %}
{%- set longest = windows | max -%}
{%- set running = [] -%}
{%- set changes = [] -%}
{%- for days in counts or windows -%}
    {%- set leaves = 'day_number + ' ~ days -%}
    {%- if counted -%}
        {%- do running.append('counted_' ~ days ~ 'd') -%}
        {%- do changes.append(['meetings', 'day_number', {running[-1]: 1}, 'true']) -%}
        {%- do changes.append(['meetings', 'least(coalesce(next_number, ' ~ leaves ~ '), ' ~ leaves ~ ')', {running[-1]: -1}, 'true']) -%}
    {%- endif -%}
    {%- if reports -%}
        {%- do running.append('reported_' ~ days ~ 'd') -%}
        {%- set known = 'reported_number < ' ~ leaves -%}
        {%- do changes.append(['events', 'greatest(day_number, reported_number)', {running[-1]: 1}, known]) -%}
        {%- do changes.append(['events', leaves, {running[-1]: -1}, known]) -%}
    {%- endif -%}
{%- endfor -%}
with events as (
    select
        event.{{ entity }} as entity,
        event.{{ time }} as happened_at,
        {%- if measured %}
        event.{{ measured }} as measured,
        {%- endif %}
        {%- if counted %}
        event.{{ counted }} as other,
        {%- endif %}
        {%- if reports %}
        {{ epoch_day('report.day') }} as reported_number,
        {%- endif %}
        {{ epoch_day('event.day') }} as day_number
    from {{ events }} as event
    {%- if reports %}
    left join {{ reports }} as report on event.{{ id }} = report.{{ id }}
    {%- endif %}
    where {{ built_partitions(lookback=longest - 1, column='event.day') }}
),

daily as (
    select
        entity,
        day_number,
        count(*) as events,
        {%- if measured %}
        sum(cast(measured as {{ wide_integer() }})) as total,
        sum(cast(measured as {{ wide_integer() }}) * measured) as squares,
        {%- endif %}
        max(happened_at) as last_at,
        lead(day_number) over (partition by entity order by day_number) as next_number
    from events
    group by entity, day_number
),

-- Days without an event, until the next one or the end of the last event's longest window.
offsets as (
    {%- for n in range(longest) %}
    select {{ n }} as days{{ ' union all' if not loop.last }}
    {%- endfor %}
),

present as (
    select
        daily.entity,
        daily.day_number + offsets.days as day_number,
        case when offsets.days = 0 then daily.events else 0 end as events,
        {%- if measured %}
        case when offsets.days = 0 then daily.total else 0 end as total,
        case when offsets.days = 0 then daily.squares else 0 end as squares,
        {%- endif %}
        daily.last_at
    from daily
    inner join offsets on offsets.days < least(coalesce(daily.next_number - daily.day_number, {{ longest }}), {{ longest }})
    where offsets.days = 0 or {{ built_partitions(column=day_of('daily.day_number + offsets.days'), cadence='daily') }}
),
{% if counted %}
-- Days on which an entity met another, each with the next.
meetings as (
    select
        entity,
        day_number,
        lead(day_number) over (partition by entity, other order by day_number) as next_number
    from events
    group by entity, other, day_number
),
{% endif %}
{%- if running %}
-- What enters and leaves the windows, so that a running sum is the number within them.
changes as (
    {{ changes_of(changes, columns=running, by='entity', order='day_number') }}
),
{% endif %}
timeline as (
    select
        entity,
        day_number,
        events,
        {%- if measured %}
        total,
        squares,
        {%- endif %}
        {%- for column in running %}
        0 as {{ column }},
        {%- endfor %}
        last_at
    from present
    {%- if running %}
    union all
    select
        entity,
        day_number,
        null,
        {%- if measured %}
        null,
        null,
        {%- endif %}
        {%- for column in running %}
        sum({{ column }}),
        {%- endfor %}
        null
    from changes
    group by entity, day_number
    {%- endif %}
),

windowed as (
    select
        entity,
        {%- for days in windows %}
        {%- set frame = '(partition by entity order by day_number range between ' ~ (days - 1) ~ ' preceding and current row)' %}
        sum(events) over {{ frame }} as events_{{ days }}d,
        {%- if measured %}
        sum(total) over {{ frame }} as sum_{{ days }}d,
        sum(squares) over {{ frame }} as squares_{{ days }}d,
        {%- endif %}
        {%- endfor %}
        {%- for column in running %}
        sum({{ column }}) over {{ up_to_now('entity', order='day_number') }} as {{ column }},
        {%- endfor %}
        last_at,
        {{ day_of('day_number') }} as day
    from timeline
)

select *
from windowed
where last_at is not null and {{ built_partitions(column='day') }}
{%- if built_spans('daily') is none %} and day <= (select max(day) from {{ events }}){% endif %}
{% endmacro %}
