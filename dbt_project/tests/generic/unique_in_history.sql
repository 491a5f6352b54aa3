{#- No `column` of the days being built occurs in another row, of whatever day. -#}
{% test unique_in_history(model, column, relation) %}
select every.{{ column }}, count(*) as occurrences
from {{ relation }} as every
where every.{{ column }} in (select {{ column }} from {{ model }})
group by every.{{ column }}
having count(*) > 1
{% endtest %}
