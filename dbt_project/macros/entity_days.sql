{#-
One row an entity a day, for every day on which it has an event in the 30 days up to that day's end. Windows are whole
UTC days: 30d of day d is d - 29 to d. `counted` is the other side, of which the last 30 days' distinct ones are counted;
with `reports`, events reported (by the day's end) are counted too.

Columns: the entity, day, events_7d, events_30d, micros_30d, squares_30d, counted_30d, reported_30d, last_at.
-#}
{% macro entity_days(events, entity, counted, reports=none) %}
with events as (
    select
        event.{{ entity }} as entity,
        event.{{ counted }} as other,
        event.occurred_at,
        event.amount_micros,
        {{ epoch_day('event.day') }} as day_number,
        {% if reports %}{{ epoch_day('report.day') }}{% else %}cast(null as {{ dbt.type_bigint() }}){% endif %} as reported_number
    from {{ events }} as event
    {%- if reports %}
    left join {{ reports }} as report on event.payment_id = report.payment_id
    {%- endif %}
    where {{ built_partitions(lookback=29, column='event.day') }}
),

daily as (
    select
        entity,
        day_number,
        count(*) as events,
        sum(cast(amount_micros as {{ wide_integer() }})) as micros,
        sum(cast(amount_micros as {{ wide_integer() }}) * amount_micros) as squares,
        max(occurred_at) as last_at,
        lead(day_number) over (partition by entity order by day_number) as next_number
    from events
    group by entity, day_number
),

-- Days without an event, until the next one or the end of the last event's 30 days.
offsets as (
    {%- for n in range(30) %}
    select {{ n }} as days{{ ' union all' if not loop.last }}
    {%- endfor %}
),

present as (
    select
        daily.entity,
        daily.day_number + offsets.days as day_number,
        case when offsets.days = 0 then daily.events else 0 end as events,
        case when offsets.days = 0 then daily.micros else 0 end as micros,
        case when offsets.days = 0 then daily.squares else 0 end as squares,
        daily.last_at
    from daily
    inner join offsets on offsets.days < least(coalesce(daily.next_number - daily.day_number, 30), 30)
    where offsets.days = 0 or {{ built_partitions(column=day_of('daily.day_number + offsets.days'), cadence='daily') }}
),

meetings as (
    select
        entity,
        day_number,
        least(coalesce(lead(day_number) over (partition by entity, other order by day_number), day_number + 30), day_number + 30) as leaves
    from events
    group by entity, other, day_number
),

-- What enters and leaves the last 30 days, so that a running sum is the number within them.
changes as (
    select entity, day_number, 1 as counted, 0 as reported from meetings
    union all
    select entity, leaves, -1, 0 from meetings
    {%- if reports %}
    union all
    select entity, greatest(day_number, reported_number), 0, 1 from events where reported_number < day_number + 30
    union all
    select entity, day_number + 30, 0, -1 from events where reported_number < day_number + 30
    {%- endif %}
),

timeline as (
    select entity, day_number, events, micros, squares, last_at, 0 as counted, 0 as reported
    from present
    union all
    select entity, day_number, null, null, null, null, sum(counted), sum(reported)
    from changes
    group by entity, day_number
),

windowed as (
    select
        timeline.*,
        sum(events) over (partition by entity order by day_number range between 6 preceding and current row) as events_7d,
        sum(events) over (partition by entity order by day_number range between 29 preceding and current row) as events_30d,
        sum(micros) over (partition by entity order by day_number range between 29 preceding and current row) as micros_30d,
        sum(squares) over (partition by entity order by day_number range between 29 preceding and current row) as squares_30d,
        sum(counted) over {{ up_to_now('entity', order='day_number') }} as counted_30d,
        sum(reported) over {{ up_to_now('entity', order='day_number') }} as reported_30d
    from timeline
),

dated as (
    select windowed.*, {{ day_of('day_number') }} as day
    from windowed
    where last_at is not null
)

select *
from dated
where {{ built_partitions(column='day') }}
{%- if built_spans('daily') is none %} and day <= (select max(day) from {{ events }}){% endif %}
{% endmacro %}
