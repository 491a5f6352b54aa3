{{ places('terminal_id', source('raw', 'terminals')) }}
