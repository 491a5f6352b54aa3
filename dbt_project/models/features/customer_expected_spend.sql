{{ config(materialized='view') }}
{#- The spend that the released model expects of each customer; of several releases' predictions, that of the newest. -#}
select
    customer_id,
    occurred_at as event_timestamp,
    occurred_at as available_at,
    greatest(value, 0.0) as expected_spend_30d,  -- a line may fall below nothing, spend does not
    release,
    week
from (
    select
        predictions.*,
        row_number() over (partition by customer_id, week order by promotion desc) as place
    from {{ source('predictions', 'credit_limit') }} as predictions
    where stage = 'champion'
)
where place = 1
