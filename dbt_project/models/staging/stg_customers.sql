{{ places('customer_id', source('raw', 'customers')) }}
