{#-
What each customer of the population spent in the 30 days after, (t, t + 30 days]. A row lies in the week before whose Monday
the 30 days ended: that of t + 35 days.
-#}
{{ replaces_partitions(events='stg_payments', lookback=35, cadence='weekly', instant=true) }}

with population as (
    select
        customer_week_id,
        customer_id,
        occurred_at,
        {{ epoch_us('occurred_at') }} as occurred_us,
        {{ days_after('week', 30) }} as known_on,
        {{ days_after('week', 35) }} as week
    from {{ ref('customer_weekly') }}
    where {{ built_partitions(lookback=35, column='week') }}
),

payments as (
    select customer_id, occurred_us, amount_micros
    from {{ ref('stg_payments') }}
    where {{ built_partitions(lookback=35, column='day') }}
)

select
    population.customer_week_id,
    population.customer_id,
    population.occurred_at,
    {{ midnight('population.known_on') }} as available_at,
    population.week,
    coalesce({{ real('sum(payments.amount_micros)') }}, 0.0) / 1e6 as spend_next_30d
from population
left join payments
    on population.customer_id = payments.customer_id
    and payments.occurred_us > population.occurred_us
    and payments.occurred_us <= population.occurred_us + {{ microseconds(30) }}
where {{ built_partitions() }}
{#- Monday after Monday up to the last whose 30 days the data reach. -#}
{%- if built_spans('weekly') is none %}
    and population.week <= (select {{ days_after('max(day)', 1) }} from {{ ref('stg_payments') }})
{%- endif %}
group by
    population.customer_week_id, population.customer_id, population.occurred_at, population.known_on, population.week
