{#-
A population: every customer with a payment in the 90 days before each Monday, as of that Monday, 00:00 UTC. What is counted
is told per day, of the days since the customer's first payment where those are fewer than the window has.
-#}
{{ replaces_partitions(events='stg_payments', lookback=90, cadence='weekly', instant=true) }}

with daily as (
    select
        customer_id,
        {{ epoch_day('day') }} as day_number,
        count(*) as payments,
        sum(amount_micros) as micros,
        max(occurred_us) as last_us
    from {{ ref('stg_payments') }}
    where {{ built_partitions(lookback=90, column='day') }}
    group by customer_id, day
),

weeks as (
    {%- for n in range(13) %}
    select {{ n }} as later{{ ' union all' if not loop.last }}
    {%- endfor %}
),

-- Each day counts on the Mondays of the 90 days after it; 1970-01-01 was a Thursday.
counted as (
    select
        daily.*,
        daily.day_number + 7 - mod(daily.day_number + 3, 7) + 7 * weeks.later as monday_number,
        7 - mod(daily.day_number + 3, 7) + 7 * weeks.later as age,
        case when mod(daily.day_number + 3, 7) >= 5 then daily.payments else 0 end as weekend_payments
    from daily
    cross join weeks
    where 7 - mod(daily.day_number + 3, 7) + 7 * weeks.later <= 90
),

summed as (
    select
        customer_id,
        monday_number,
        {%- for days in [7, 30, 90] %}
        sum(case when age <= {{ days }} then payments else 0 end) as payments_{{ days }}d,
        sum(case when age <= {{ days }} then micros else 0 end) as micros_{{ days }}d,
        {%- endfor %}
        sum(case when age <= 30 then 1 else 0 end) as active_days_30d,
        sum(weekend_payments) as weekend_payments_90d,
        max(age) as known_days,
        max(last_us) as last_us
    from counted
    group by customer_id, monday_number
),

dated as (
    select summed.*, {{ day_of('monday_number') }} as week
    from summed
)

select
    concat(customer_id, '-', cast(week as string)) as customer_week_id,
    customer_id,
    {{ midnight('week') }} as occurred_at,
    week,
    {%- for days in [7, 30, 90] %}
    {{ real('micros_' ~ days ~ 'd') }} / (1e6 * least({{ days }}, known_days)) as spend_per_day_{{ days }}d,
    {{ real('payments_' ~ days ~ 'd') }} / least({{ days }}, known_days) as payments_per_day_{{ days }}d,
    {%- endfor %}
    {{ real('micros_90d') }} / (1e6 * payments_90d) as amount_mean_90d,
    {{ real('active_days_30d') }} / least(30, known_days) as active_share_30d,
    {{ real('weekend_payments_90d') }} / payments_90d as weekend_share_90d,
    ({{ epoch_us(midnight('week')) }} - last_us) / 86400e6 as days_since_last
from dated
where {{ built_partitions() }}
{%- if built_spans('weekly') is none %} and week <= (select {{ days_after('max(day)', 1) }} from {{ ref('stg_payments') }}){% endif %}
