{{ replaces_partitions(events='stg_payments', lookback=29) }}

select
    entity as terminal_id,
    {{ midnight(days_after('day', 1)) }} as event_timestamp,
    {{ midnight(days_after('day', 1)) }} as available_at,
    day,
    {{ whole('events_7d') }} as payments_7d,
    {{ whole('events_30d') }} as payments_30d,
    sum_30d / (1e6 * events_30d) as amount_mean_30d,
    {{ whole('counted_30d') }} as customers_30d,
    reported_30d / events_30d as fraud_share_30d
from ({{ entity_days(
    ref('stg_payments'), entity='terminal_id', windows=[7, 30], measured='amount_micros', counted='customer_id',
    reports=ref('stg_fraud_reports'), id='payment_id', counts=[30]
) }}) as terminals
