select
    payment_id,
    min(reported_at) as reported_at,
    min(day) as day
from {{ source('raw', 'fraud_reports') }}
group by payment_id
