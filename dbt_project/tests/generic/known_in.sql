{#- Every `column` is found in `field` of `to`, unless `to` is empty: not everyone delivers that source. -#}
{% test known_in(model, column, to, field) %}
select rows_tested.{{ column }}, count(*) as occurrences
from {{ model }} as rows_tested
left join (select distinct {{ field }} as found from {{ to }}) as known on rows_tested.{{ column }} = known.found
where known.found is null and exists (select 1 from {{ to }})
group by rows_tested.{{ column }}
{% endtest %}
