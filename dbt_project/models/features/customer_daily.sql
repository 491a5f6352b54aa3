{{ replaces_partitions(events='stg_payments', lookback=29) }}

select
    entity as customer_id,
    {{ midnight(days_after('day', 1)) }} as event_timestamp,
    {{ midnight(days_after('day', 1)) }} as available_at,
    day,
    {{ whole('events_7d') }} as payments_7d,
    {{ whole('events_30d') }} as payments_30d,
    sum_30d / (1e6 * events_30d) as amount_mean_30d,
    sqrt({{ real('events_30d * squares_30d - sum_30d * sum_30d') }}) / (1e6 * events_30d) as amount_std_30d,
    {{ whole('counted_30d') }} as terminals_30d,
    last_at as last_payment_at
from ({{ entity_days(
    ref('stg_payments'), entity='customer_id', windows=[7, 30], measured='amount_micros', counted='terminal_id', counts=[30]
) }}) as customers
