{#- No column of `columns` is null. One pass over the relation instead of one for each column. -#}
{% test complete(model, columns) %}
select *
from {{ model }}
where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
