{#- Values lie in `ranges`: {column: [lowest, highest]}, both inclusive; null is unbounded. Null and NaN: null passes, NaN does not. -#}
{% test within_ranges(model, ranges) %}
select *
from {{ model }}
where false
{%- for column, bounds in ranges.items() %}
    or not ({{ column }} >= {{ bounds[0] if bounds[0] is not none else '-1e308' }})
    or not ({{ column }} <= {{ bounds[1] if bounds[1] is not none else '1e308' }})
{%- endfor %}
{% endtest %}
