select
    message_id,
    resolved_at,
    team,
    day
from {{ source('raw_support', 'resolutions') }}
