{#- Of the partitions being built, `column` takes the same values here as in `to`, each as often. -#}
{% test same_rows(model, to, column) %}
select {{ column }}, sum(here) as here, sum(there) as there
from (
    select {{ column }}, 1 as here, 0 as there from {{ model }}
    union all
    select {{ column }}, 0 as here, 1 as there from {{ to }} where {{ built_rows(to) }}
) as both_sides
group by {{ column }}
having sum(here) <> sum(there)
{% endtest %}
