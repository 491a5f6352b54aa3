{% set windows = [1, 7, 30] %}
{% set delay = 7 %}
{{ replaces_partitions(events='stg_payments', lookback=37, memory_per_event=200) }}

-- A window function holds its rows in memory, so each step carries no more than the next ones need.
with payments as (
    select
        payment_id,
        occurred_at,
        customer_id,
        terminal_id,
        amount,
        day,
        occurred_us,
        amount_micros,
        count(*) over {{ window('customer_id, terminal_id', 30) }} as customer_terminal_payments_30d
    from {{ ref('stg_payments') }}
    where {{ built_partitions(lookback=37) }}
),

frauds as (
    select
        payments.terminal_id,
        payments.occurred_us,
        {{ epoch_us('reports.reported_at') }} as reported_us
    -- Not from the rows above: what is read twice is kept in memory as well.
    from {{ ref('stg_payments') }} as payments
    inner join {{ ref('stg_fraud_reports') }} as reports on payments.payment_id = reports.payment_id
    where {{ built_partitions(lookback=37, column='payments.day') }}
),

known_frauds as (
    {{ known_label_changes('frauds', by='terminal_id', windows=windows, delay=delay) }}
),

-- The payments, and between them the instants at which the number of known frauds of a terminal changes.
timeline as (
    select
        payments.*,
        {%- for days in windows %}
        0 as known_{{ days }}d{{ ',' if not loop.last }}
        {%- endfor %}
    from payments
    union all
    select
        null as payment_id,
        null as occurred_at,
        null as customer_id,
        terminal_id,
        null as amount,
        null as day,
        occurred_us,
        null as amount_micros,
        null as customer_terminal_payments_30d,
        {%- for days in windows %}
        known_{{ days }}d{{ ',' if not loop.last }}
        {%- endfor %}
    from known_frauds
),

terminal_windows as (
    select
        timeline.*,
        {%- for days in windows %}
        count(payment_id) over {{ window('terminal_id', days, delay=delay) }} as terminal_payments_{{ days }}d,
        sum(known_{{ days }}d) over {{ up_to_now('terminal_id') }} as terminal_frauds_{{ days }}d{{ ',' if not loop.last }}
        {%- endfor %}
    from timeline
),

at_terminals as (
    select
        payment_id,
        occurred_at,
        customer_id,
        terminal_id,
        amount,
        day,
        occurred_us,
        amount_micros,
        customer_terminal_payments_30d,
        {%- for days in windows %}
        terminal_payments_{{ days }}d,
        case
            when terminal_payments_{{ days }}d = 0 then 0.0
            else terminal_frauds_{{ days }}d / terminal_payments_{{ days }}d
        end as terminal_fraud_share_{{ days }}d{{ ',' if not loop.last }}
        {%- endfor %}
    from terminal_windows
    where payment_id is not null and {{ built_partitions(lookback=30) }}
),

customer_windows as (
    select
        at_terminals.*,
        {%- for days in windows %}
        count(*) over {{ window('customer_id', days) }} as customer_payments_{{ days }}d,
        sum(amount_micros) over {{ window('customer_id', days) }} as customer_micros_{{ days }}d,
        {%- endfor %}
        max(amount) over {{ window('customer_id', 30) }} as customer_amount_max_30d,
        last_value(occurred_us) over {{ window('customer_id', 30, before=true) }} as customer_last_us
    from at_terminals
),

built as (
    select *
    from customer_windows
    where {{ built_partitions() }}
)

select
    built.payment_id,
    built.occurred_at,
    built.customer_id,
    built.terminal_id,
    built.amount,
    built.day,
    {%- for days in windows %}
    built.customer_payments_{{ days }}d,
    built.customer_micros_{{ days }}d / (1e6 * built.customer_payments_{{ days }}d) as customer_amount_mean_{{ days }}d,
    {%- endfor %}
    built.customer_amount_max_30d,
    (built.occurred_us - built.customer_last_us) / 1e6 as customer_seconds_since_last,
    built.customer_terminal_payments_30d,
    sqrt(
        (customers.x - terminals.x) * (customers.x - terminals.x)
        + (customers.y - terminals.y) * (customers.y - terminals.y)
    ) as customer_home_distance,
    {%- for days in windows %}
    built.terminal_payments_{{ days }}d,
    built.terminal_fraud_share_{{ days }}d{{ ',' if not loop.last }}
    {%- endfor %}
from built
left join {{ ref('stg_customers') }} as customers
    on built.customer_id = customers.customer_id and built.day >= customers.day and built.day < customers.valid_until
left join {{ ref('stg_terminals') }} as terminals
    on built.terminal_id = terminals.terminal_id and built.day >= terminals.day and built.day < terminals.valid_until
