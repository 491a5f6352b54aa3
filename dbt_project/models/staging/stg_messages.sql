select
    message_id,
    occurred_at,
    customer_id,
    channel,
    language,
    text,
    day
from {{ source('raw_support', 'messages') }}
