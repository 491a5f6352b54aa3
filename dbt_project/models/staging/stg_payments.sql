select
    payment_id,
    occurred_at,
    customer_id,
    terminal_id,
    amount,
    day,
    {{ epoch_us('occurred_at') }} as occurred_us,
    -- Sums of integers do not depend on the order of their terms, so a day built alone equals the same day rebuilt with others.
    cast(round(least(amount, 1e9) * 1e6) as {{ dbt.type_bigint() }}) as amount_micros
from {{ source('raw', 'payments') }}
