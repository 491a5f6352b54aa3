{#- `day` is the UTC date of `column`. -#}
{% test utc_day(model, column) %}
select *
from {{ model }}
where day <> {{ utc_date(column) }}
{% endtest %}
